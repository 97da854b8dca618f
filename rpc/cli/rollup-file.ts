/** Reads a rollup config file for commands that run no node. */
import { readFile } from "node:fs/promises";
import { NodeError } from "../../node/errors.ts";
import { type RollupConfig, rollupConfigSchema } from "../../node/rollup-config.ts";

/** Errors: `CONFIG_INVALID` with the key that is not as it must be. */
export async function readRollupFile(path: string): Promise<RollupConfig> {
  const expected = "a rollup config file that can be read";
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new NodeError("CONFIG_INVALID", { key: "--rollup", from: path, expected }, cause);
  }
  const parsed = rollupConfigSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const key = ["rollup", ...(issue?.path ?? [])].join(".");
  throw new NodeError("CONFIG_INVALID", { key, from: path, expected: issue?.message ?? expected });
}
