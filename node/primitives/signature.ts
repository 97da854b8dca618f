/**
 * secp256k1 on hot paths, by the native library. Owns the rule that only low-s signatures with
 * `v` 27/28 count (PROTOCOL 1, EIP-2): the library itself accepts high-s.
 */
import secp256k1 from "secp256k1";
import { bigintToBytes, bytesToBigint, concatBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { keccak256 } from "./hash.ts";
import {
  type Authorization,
  authorizationHash,
  type DecodedTransaction,
  decodeTransaction,
  signingHash,
  type TransactionRefusal,
  type UserTransaction,
} from "./transaction.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const HALF_ORDER = ORDER >> 1n;

function publicKeyToAddress(uncompressed: Uint8Array): Hex {
  return toHex(keccak256(uncompressed.subarray(1)).subarray(12));
}

/**
 * Address that signed the 32-byte digest; `null` for high-s, out-of-range or unrecoverable input.
 */
export function recoverAddress(
  digest: Uint8Array,
  signature: { readonly r: bigint; readonly s: bigint; readonly yParity: number },
): Hex | null {
  const { r, s, yParity } = signature;
  if (r <= 0n || r >= ORDER || s <= 0n || s > HALF_ORDER) return null;
  if (yParity !== 0 && yParity !== 1) return null;
  const compact = concatBytes(bigintToBytes(r, 32), bigintToBytes(s, 32));
  try {
    return publicKeyToAddress(secp256k1.ecdsaRecover(compact, yParity, digest, false));
  } catch {
    // The library throws where no point has this r: a verdict on untrusted input, not a failure.
    return null;
  }
}

/** Sender of a transaction; `null` where its signature recovers to nobody. */
export function recoverSender(transaction: DecodedTransaction): Hex | null {
  return recoverAddress(signingHash(transaction), transaction);
}

/** The transaction with its sender, for bytes that nobody has looked at yet. */
export function decodeWithSender(raw: Uint8Array): Verdict<UserTransaction, TransactionRefusal> {
  const decoded = decodeTransaction(raw);
  if (!decoded.ok) return decoded;
  const sender = recoverSender(decoded.value);
  return sender === null ? refuse("TX_SIGNATURE_INVALID") : accept({ ...decoded.value, sender });
}

/** Who signed an EIP-7702 authorization; `null` where nobody did. */
export function recoverAuthority(authorization: Authorization): Hex | null {
  return recoverAddress(authorizationHash(authorization), authorization);
}

/** Signs a 32-byte digest: 65 bytes `r ‖ s ‖ v`, low-s, `v` 27 or 28. */
export function signDigest(digest: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const { signature, recid } = secp256k1.ecdsaSign(digest, privateKey);
  return concatBytes(signature, Uint8Array.of(27 + recid));
}

/** Who made a 65-byte signature over the digest; `null` unless it is low-s with `v` 27 or 28. */
export function recoverSigner(digest: Uint8Array, signature: Uint8Array): Hex | null {
  if (signature.length !== 65) return null;
  return recoverAddress(digest, {
    r: bytesToBigint(signature.subarray(0, 32)),
    s: bytesToBigint(signature.subarray(32, 64)),
    yParity: (signature[64] ?? 0) - 27,
  });
}

/** Address of a 32-byte private key. */
export function addressOf(privateKey: Uint8Array): Hex {
  return publicKeyToAddress(secp256k1.publicKeyCreate(privateKey, false));
}
