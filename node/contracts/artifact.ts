/**
 * Compiled contracts at run time. Reads what `compile.ts` wrote beside this module; does not
 * compile.
 */
import { readFileSync } from "node:fs";
import type { Abi } from "viem";
import { z } from "zod";
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";

export interface Artifact {
  readonly abi: Abi;
  /** Creation code; `0x` for an interface. */
  readonly bytecode: Hex;
  readonly deployedBytecode: Hex;
}

const hex = z
  .string()
  .regex(/^0x([0-9a-f]{2})*$/)
  .transform((text) => text as Hex);
const artifactSchema = z.object({
  abi: z.array(z.looseObject({ type: z.string() })),
  bytecode: hex,
  deployedBytecode: hex,
});

/** The compiled contract of this name. Throws `INTERNAL` where the build left none. */
export function loadArtifact(name: string): Artifact {
  try {
    const text = readFileSync(new URL(`./artifacts/${name}.json`, import.meta.url), "utf8");
    const artifact = artifactSchema.parse(JSON.parse(text));
    return { ...artifact, abi: artifact.abi as unknown as Abi };
  } catch (cause) {
    throw new NodeError("INTERNAL", { artifact: name }, cause);
  }
}
