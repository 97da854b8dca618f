/**
 * The benchmarks of single components as rows of the report: precompiles, and roots by themselves.
 */
import { benchPrecompiles } from "./precompiles.ts";
import { benchRoots } from "./roots.ts";
import { figureOf, type Row } from "./row.ts";

/** A precompile may cost this many times what the slowest opcode does, gas for gas. */
const OPCODE_TIMES_MAX = 2;
/** The issue: milliseconds for 1,000 dirty leaves. */
const ROOT_MS_MAX = 40;
const ADDRESS_DIGITS = /^0x[0-9a-f]+/;

/** The slowest opcode, and of each precompile its worst input. */
export async function precompileRows(): Promise<Row[]> {
  const all = await benchPrecompiles();
  const worst = new Map<string, (typeof all)[number]>();
  for (const each of all) {
    const place = ADDRESS_DIGITS.exec(each.name)?.[0] ?? "opcode";
    const known = worst.get(place);
    if (known === undefined || each.msPerMgas > known.msPerMgas) worst.set(place, each);
  }
  const limit = OPCODE_TIMES_MAX * (worst.get("opcode")?.msPerMgas ?? Infinity);
  return [...worst].map(([place, { name, msPerMgas }]): Row => {
    const isOpcode = place === "opcode";
    return {
      name,
      measure: isOpcode ? "slowest opcode" : "worst input",
      unit: "ms/Mgas",
      figure: figureOf([msPerMgas]),
      ...(isOpcode ? {} : { target: { atMost: limit }, note: "at most twice the slowest opcode" }),
    };
  });
}

/** Roots on a state of their own, with `size` accounts and a contract of `size` slots. */
export async function rootRows(size: number): Promise<Row[]> {
  const { rows } = await benchRoots({ size });
  return rows.map(({ name, medianMs }): Row => {
    const isWhole = name.includes("1,000 dirty leaves") && name.includes("warm");
    return {
      name: "roots",
      measure: name,
      unit: "ms",
      figure: figureOf([medianMs]),
      ...(isWhole ? { target: { atMost: ROOT_MS_MAX } } : {}),
    };
  });
}
