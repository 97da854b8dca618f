/**
 * Where the sequencing thread's time goes: V8's sampling profiler around a piece of work, its
 * samples summed by function.
 *
 * Self time only: what a function itself ran, not what it called; native functions count for the
 * JavaScript that called them.
 */
import { type Profiler, Session } from "node:inspector/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const SAMPLING_INTERVAL_US = 200;
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
        ({ name, place }) => name !== "(idle)" && !place.startsWith("node:inspector"),
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
  const frameOf = createFrames(nodes);
  for (const [index, id] of samples.entries()) {
    // Before the first sample the profiler itself was at work.
    if (index === 0) continue;
    const frame = frameOf(id);
    const name = frame.functionName === "" ? "(anonymous)" : frame.functionName;
    const place = placeOf(frame);
    const key = `${name} ${place}`;
    const entry = byPlace.get(key) ?? { name, place, ms: 0 };
    entry.ms += (timeDeltas[index] ?? 0) / 1000;
    byPlace.set(key, entry);
  }
}

type Node = Profiler.Profile["nodes"][number];

/**
 * What counts a node's time: itself, or its nearest caller with a source. V8 gives native functions
 * names, but of other ones: a read of LevelDB shows as `Secp256k1Addon`.
 */
function createFrames(nodes: readonly Node[]): (id: number) => Node["callFrame"] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const callers = new Map<number, Node>();
  for (const node of nodes) for (const child of node.children ?? []) callers.set(child, node);
  return (id) => {
    const node = byId.get(id);
    if (node === undefined) throw new Error("a sample of no node");
    let at: Node | undefined = node;
    while (at !== undefined && at.callFrame.url === "") at = callers.get(at.id);
    // V8's own: it has no caller.
    return (at ?? node).callFrame;
  };
}

/** As a reader finds it: the source for our own code, the package for what is in one. */
function placeOf({ url, lineNumber }: Node["callFrame"]): string {
  if (url === "") return "";
  const inPackage = url.lastIndexOf("node_modules/");
  if (inPackage >= 0) return `${url.slice(inPackage + "node_modules/".length)}:${lineNumber + 1}`;
  if (!url.startsWith("file:")) return url;
  const path = relative(ROOT, fileURLToPath(url));
  return `${path.replace(/^dist\//, "").replace(/\.js$/, "")}:${lineNumber + 1}`;
}
