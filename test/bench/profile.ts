/**
 * Where the sequencing thread's time goes: V8's sampling profiler around a piece of work, its
 * samples summed by function.
 *
 * Self time only: what a function itself ran, not what it called. Native calls count for the
 * JavaScript function that stands nearest.
 */
import { type Profiler, Session } from "node:inspector/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const SAMPLING_INTERVAL_US = 200;
/** Nobody's work: waiting, and the profiler's own starting and stopping. */
const NO_WORK: ReadonlySet<string> = new Set(["(idle)", "dispatch"]);
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export interface SelfTime {
  readonly name: string;
  /** Path and line; empty for what V8 does itself. */
  readonly place: string;
  readonly ms: number;
  readonly share: number;
}

export interface Profile {
  around(work: () => Promise<void>): Promise<void>;
  /** Self times of everything so far, longest first. */
  selfTimes(): SelfTime[];
  close(): void;
}

export async function createProfile(): Promise<Profile> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLING_INTERVAL_US });
  const byPlace = new Map<string, { name: string; place: string; ms: number }>();
  return {
    async around(work) {
      await session.post("Profiler.start");
      try {
        await work();
      } finally {
        const { profile } = await session.post("Profiler.stop");
        addSamples(byPlace, profile);
      }
    },
    selfTimes() {
      const all = [...byPlace.values()].filter(
        ({ name, place }) => place !== "" || !NO_WORK.has(name),
      );
      const total = all.reduce((sum, { ms }) => sum + ms, 0);
      return all.map((each) => ({ ...each, share: each.ms / total })).sort((a, b) => b.ms - a.ms);
    },
    close() {
      session.disconnect();
    },
  };
}

function addSamples(
  byPlace: Map<string, { name: string; place: string; ms: number }>,
  { nodes, samples = [], timeDeltas = [] }: Profiler.Profile,
): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    if (frame === undefined) continue;
    const name = frame.functionName === "" ? "(anonymous)" : frame.functionName;
    const place = placeOf(frame);
    const key = `${name} ${place}`;
    const entry = byPlace.get(key) ?? { name, place, ms: 0 };
    entry.ms += (timeDeltas[index] ?? 0) / 1000;
    byPlace.set(key, entry);
  }
}

/** As a reader finds it: the source for our own code, the package for what is in one. */
function placeOf({ url, lineNumber }: Profiler.Profile["nodes"][number]["callFrame"]): string {
  if (url === "") return "";
  const inPackage = url.lastIndexOf("node_modules/");
  if (inPackage >= 0) return `${url.slice(inPackage + "node_modules/".length)}:${lineNumber + 1}`;
  if (!url.startsWith("file:")) return url;
  const path = relative(ROOT, fileURLToPath(url));
  return `${path.replace(/^dist\//, "").replace(/\.js$/, "")}:${lineNumber + 1}`;
}
