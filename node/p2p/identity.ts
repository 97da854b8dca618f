import "core-js/actual/promise/with-resolvers.js";
/**
 * The node's libp2p identity: an Ed25519 key in a file that only its owner can read, made at the
 * first start. Written to a temporary name, synced and renamed, so that a crash leaves no half key.
 */
import { constants } from "node:fs";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { NodeError } from "../errors.ts";

/** Reads the key of the file, or makes one where there is no file. Errors: `KEY_INVALID`. */
export async function loadIdentity(file: string): Promise<PrivateKey> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    if (isMissing(cause)) return createIdentity(file);
    throw new NodeError("KEY_INVALID", { file }, cause);
  }
  try {
    const key = privateKeyFromProtobuf(bytes);
    if (key.type === "Ed25519") return key;
  } catch (cause) {
    throw new NodeError("KEY_INVALID", { file }, cause);
  }
  throw new NodeError("KEY_INVALID", { file, expected: "Ed25519" });
}

async function createIdentity(file: string): Promise<PrivateKey> {
  const key = await generateKeyPair("Ed25519");
  try {
    await mkdir(dirname(file), { recursive: true });
    const temporary = `${file}.new`;
    const flags = constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY;
    const handle = await open(temporary, flags, 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(privateKeyToProtobuf(key));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (cause) {
    throw new NodeError("KEY_INVALID", { file }, cause);
  }
  return key;
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}
