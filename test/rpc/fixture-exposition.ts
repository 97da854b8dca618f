/** Reads what Prometheus is told, as Prometheus does: the text format, version 0.0.4. */

const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)/g;

const unescape = (text: string): string =>
  text.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));

export interface Exposition {
  /** Value by metric and labels, `name label=value label=value`. */
  readonly samples: ReadonlyMap<string, number>;
  /** Metrics with a type and a help, in order. */
  readonly names: readonly string[];
}

/** Throws at a line that is none of the format's. */
export function parseExposition(text: string): Exposition {
  const samples = new Map<string, number>();
  const names: string[] = [];
  for (const line of text.split("\n")) {
    const [, help] = /^# HELP (\S+) .+$/.exec(line) ?? [];
    if (help !== undefined) names.push(help);
    if (line === "" || line.startsWith("# ")) continue;
    const [, name = "", labels = "", value] = SAMPLE.exec(line) ?? [];
    if (!names.includes(name) || value === undefined) throw new Error(`no sample: ${line}`);
    const told = [...labels.matchAll(LABEL)].map(
      ([, label = "", text = ""]) => `${label}=${unescape(text)}`,
    );
    samples.set([name, ...told].join(" "), Number(value));
  }
  return { samples, names };
}
