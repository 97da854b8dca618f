/**
 * The node's private keys: read from the environment or from a keystore with a password file,
 * never from the config file, a flag or an argument. Owns the refusal of publicly known keys.
 * No error of this file carries key material, a password, or what a file contains.
 */
import { readFile } from "node:fs/promises";
import { fromHex, type Hex, isHexOf, toHex } from "../lanes/bytes.ts";
import { NodeError } from "./errors.ts";
import { decryptKey } from "./keystore.ts";
import { addressOf } from "./primitives/signature.ts";

/** A node key's three variables: the key itself, or a keystore and the file with its password. */
export interface KeyVariables {
  readonly key: string;
  readonly keystore: string;
  readonly passwordFile: string;
}

export const KEY_VARIABLES = {
  sequencer: {
    key: "PRICELANE_SEQUENCER_KEY",
    keystore: "PRICELANE_SEQUENCER_KEYSTORE",
    passwordFile: "PRICELANE_SEQUENCER_PASSWORD_FILE",
  },
  batcher: {
    key: "PRICELANE_BATCHER_KEY",
    keystore: "PRICELANE_BATCHER_KEYSTORE",
    passwordFile: "PRICELANE_BATCHER_PASSWORD_FILE",
  },
  publisher: {
    key: "PRICELANE_PUBLISHER_KEY",
    keystore: "PRICELANE_PUBLISHER_KEYSTORE",
    passwordFile: "PRICELANE_PUBLISHER_PASSWORD_FILE",
  },
} as const satisfies Record<string, KeyVariables>;

type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadedKey {
  readonly key: Hex;
  readonly address: Hex;
  /** The variable that named it, for errors. */
  readonly from: string;
}

/**
 * Reads one key. Errors: `CONFIG_INVALID` where none or two are named, `KEY_INVALID` where it
 * cannot be read.
 */
export async function loadKey(variables: KeyVariables, env: Environment): Promise<LoadedKey> {
  const key = env[variables.key];
  const keystore = env[variables.keystore];
  if ((key === undefined) === (keystore === undefined))
    throw new NodeError("CONFIG_INVALID", {
      key: variables.key,
      from: "environment",
      expected: `exactly one of ${variables.key} (0x and 64 hex digits) and ${variables.keystore} (a path)`,
    });
  if (key !== undefined) return checkedKey(key, variables.key);
  const bytes = await readKeystore(variables, keystore as string, env[variables.passwordFile]);
  return checkedKey(toHex(bytes), variables.keystore);
}

async function readKeystore(
  variables: KeyVariables,
  path: string,
  passwordFile: string | undefined,
): Promise<Uint8Array> {
  if (passwordFile === undefined)
    throw new NodeError("CONFIG_INVALID", {
      key: variables.passwordFile,
      from: "environment",
      expected: `the path of a file with the password of ${variables.keystore}`,
    });
  const text = await readSecret(path, variables.keystore);
  const password = await readSecret(passwordFile, variables.passwordFile);
  const decrypted = await decryptKey(parseJson(text), password.replace(/\r?\n$/, ""));
  if (!decrypted.ok)
    throw new NodeError("KEY_INVALID", { key: variables.keystore, ...decrypted.data });
  return decrypted.value;
}

async function readSecret(path: string, variable: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new NodeError("KEY_INVALID", { key: variable, reason: "cannot read the file" }, cause);
  }
}

/** `null` for text that is not JSON; the parser's own error would quote the text. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function checkedKey(key: string, from: string): LoadedKey {
  const reason = "expected 0x and 64 hex digits, a number from 1 to the curve's order";
  if (!isHexOf(key, 32)) throw new NodeError("KEY_INVALID", { key: from, reason });
  try {
    const lower = key.toLowerCase() as Hex;
    return { key: lower, address: addressOf(fromHex(lower)), from };
  } catch {
    // The library's error says nothing more, and a cause might quote the key.
    throw new NodeError("KEY_INVALID", { key: from, reason });
  }
}

const DEVNET_CHAIN_ID = 901;
const DEVNET_L1_CHAIN_ID = 900;

/** Refuses a key that everybody knows, on every chain but the devnet's. Errors: `DEVNET_KEY`. */
export function refuseDevnetKey(
  loaded: LoadedKey,
  chain: { readonly chainId: number; readonly l1ChainId: number },
): void {
  if (chain.chainId === DEVNET_CHAIN_ID && chain.l1ChainId === DEVNET_L1_CHAIN_ID) return;
  if (DEVNET_ADDRESSES.has(loaded.address))
    throw new NodeError("DEVNET_KEY", {
      key: loaded.from,
      address: loaded.address,
      chainId: chain.chainId,
      l1ChainId: chain.l1ChainId,
    });
}

/** Accounts 0 to 30 of the mnemonic `test test … junk` (11 times `test`). */
export const DEVNET_ADDRESSES: ReadonlySet<Hex> = new Set<Hex>([
  "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
  "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
  "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
  "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
  "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
  "0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
  "0x976ea74026e726554db657fa54763abd0c3a0aa9",
  "0x14dc79964da2c08b23698b3d3cc7ca32193d9955",
  "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
  "0xa0ee7a142d267c1f36714e4a8f75612f20a79720",
  "0xbcd4042de499d14e55001ccbb24a551f3b954096",
  "0x71be63f3384f5fb98995898a86b02fb2426c5788",
  "0xfabb0ac9d68b0b445fb7357272ff202c5651694a",
  "0x1cbd3b2770909d4e10f157cabc84c7264073c9ec",
  "0xdf3e18d64bc6a983f673ab319ccae4f1a57c7097",
  "0xcd3b766ccdd6ae721141f452c550ca635964ce71",
  "0x2546bcd3c84621e976d8185a91a922ae77ecec30",
  "0xbda5747bfd65f08deb54cb465eb87d40e51b197e",
  "0xdd2fd4581271e230360230f9337d5c0430bf44c0",
  "0x8626f6940e2eb28930efb4cef49b2d1f2c9c1199",
  "0x09db0a93b389bef724429898f539aeb7ac2dd55f",
  "0x02484cb50aac86eae85610d6f4bf026f30f6627d",
  "0x08135da0a343e492fa2d4282f2ae34c6c5cc1bbe",
  "0x5e661b79fe2d3f6ce70f5aac07d8cd9abb2743f1",
  "0x61097ba76cd906d2ba4fd106e757f7eb455fc295",
  "0xdf37f81daad2b0327a0a50003740e1c935c70913",
  "0x553bc17a05702530097c3677091c5bb47a3a7931",
  "0x87bdce72c06c21cd96219bd8521bdf1f42c78b5e",
  "0x40fc963a729c542424cd800349a7e4ecc4896624",
  "0x9dcce783b6464611f38631e6c851bf441907c710",
  "0x1bcb8e569eedab4668e55145cfeaf190902d3cf2",
]);
