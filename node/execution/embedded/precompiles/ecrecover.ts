/** ECRECOVER (0x01), by native secp256k1. Source: yellow paper, appendix E and F. */
import secp256k1 from "secp256k1";
import { keccak256 } from "../../../primitives/hash.ts";
import { isZero, NOTHING, type Precompile, readPadded } from "./precompile.ts";

const GAS = 3000n;
const INPUT_BYTES = 128;
const ADDRESS_BYTES = 20;
/** `v` of the two signatures with the parities of Bitcoin's; those of chains are not taken. */
const V_EVEN = 27;

export const ecrecover: Precompile = {
  gas: () => GAS,
  run(input) {
    const data = readPadded(input, 0, INPUT_BYTES);
    const recovery = (data[63] ?? 0) - V_EVEN;
    if (!isZero(data, 32, 31) || (recovery !== 0 && recovery !== 1)) return NOTHING;
    const key = recover(data.subarray(0, 32), data.subarray(64, 128), recovery);
    if (key === null) return NOTHING;
    const output = new Uint8Array(32);
    output.set(keccak256(key.subarray(1)).subarray(-ADDRESS_BYTES), 32 - ADDRESS_BYTES);
    return output;
  },
};

/** The uncompressed key; `null` where `r` or `s` is out of range or the signature is nobody's. */
function recover(digest: Uint8Array, signature: Uint8Array, recovery: number): Uint8Array | null {
  try {
    return secp256k1.ecdsaRecover(signature, recovery, digest, false);
  } catch {
    // The library throws a verdict on its input.
    return null;
  }
}
