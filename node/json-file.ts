/**
 * JSON files that a node is told things by. Owns reading them, and the error that names what is not
 * as it must be: never by its value, which may hold what does not belong there.
 */
import { readFile } from "node:fs/promises";
import { NodeError } from "./errors.ts";

/** The error for a setting: its key, where it came from, and what is accepted. */
export function invalidSetting(
  key: string,
  from: string,
  expected: string,
  cause?: unknown,
): NodeError {
  return new NodeError("CONFIG_INVALID", { key, from, expected }, cause);
}

/** Errors: `CONFIG_INVALID` under `key`. */
export async function readJson(file: string, key: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw invalidSetting(key, file, "a file that can be read", cause);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's message quotes the file, which may hold what does not belong there.
    throw invalidSetting(key, file, "a JSON file");
  }
}
