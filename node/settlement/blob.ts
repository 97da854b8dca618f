/**
 * Payload bytes in EIP-4844 blobs and back.
 *
 * Each field element carries 31 bytes behind a zero byte, so that every content is below the BLS
 * modulus. The stream is `length u32 ‖ payload ‖ zeros`, over as few blobs as hold it.
 * Does not own KZG (`workers/kzg.ts`). Source: EIP-4844; EIP-7594 (6 blobs a transaction).
 */
import { bigintToBytes, bytesToBigint, concatBytes, fromHex, type Hex } from "../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { keccakHex } from "../primitives/hash.ts";

export const BLOB_BYTES = 131_072;
export const BLOBS_MAX = 6;
const ELEMENT_BYTES = 32;
const ELEMENT_USABLE = ELEMENT_BYTES - 1;
const BLOB_USABLE = (BLOB_BYTES / ELEMENT_BYTES) * ELEMENT_USABLE;
const LENGTH_BYTES = 4;
/** The largest payload that one transaction's blobs carry. */
export const PAYLOAD_BYTES_MAX = BLOBS_MAX * BLOB_USABLE - LENGTH_BYTES;

/** 1 to `BLOBS_MAX` blobs of `BLOB_BYTES`. The payload must be at most `PAYLOAD_BYTES_MAX`. */
export function payloadToBlobs(payload: Uint8Array): Uint8Array[] {
  if (payload.length > PAYLOAD_BYTES_MAX) throw new RangeError("payload does not fit the blobs");
  const stream = concatBytes(bigintToBytes(BigInt(payload.length), LENGTH_BYTES), payload);
  const blobs: Uint8Array[] = [];
  for (let start = 0; start < stream.length; start += BLOB_USABLE) {
    const blob = new Uint8Array(BLOB_BYTES);
    const part = stream.subarray(start, start + BLOB_USABLE);
    for (let from = 0, to = 1; from < part.length; from += ELEMENT_USABLE, to += ELEMENT_BYTES)
      blob.set(part.subarray(from, from + ELEMENT_USABLE), to);
    blobs.push(blob);
  }
  return blobs;
}

/** The payload of blobs in order. Refuses non-zero filler and a blob more than needed. */
export function blobsToPayload(
  blobs: readonly Uint8Array[],
): Verdict<Uint8Array, "BATCH_MALFORMED"> {
  if (blobs.length === 0 || blobs.length > BLOBS_MAX)
    return refuse("BATCH_MALFORMED", { blobs: blobs.length });
  const stream = new Uint8Array(blobs.length * BLOB_USABLE);
  let length = 0;
  for (const [index, blob] of blobs.entries()) {
    if (blob.length !== BLOB_BYTES) return refuse("BATCH_MALFORMED", { blob: index });
    for (let from = 0; from < BLOB_BYTES; from += ELEMENT_BYTES) {
      if (blob[from] !== 0) return refuse("BATCH_MALFORMED", { blob: index, element: from });
      stream.set(blob.subarray(from + 1, from + ELEMENT_BYTES), length);
      length += ELEMENT_USABLE;
    }
  }
  const end = LENGTH_BYTES + Number(bytesToBigint(stream.subarray(0, LENGTH_BYTES)));
  if (end > stream.length || Math.ceil(end / BLOB_USABLE) !== blobs.length)
    return refuse("BATCH_MALFORMED", { field: "length" });
  if (stream.subarray(end).some((byte) => byte !== 0))
    return refuse("BATCH_MALFORMED", { field: "filler" });
  return accept(stream.slice(LENGTH_BYTES, end));
}

/** `payloadHash` of a payload in blobs: keccak256 of the concatenated versioned hashes. */
export function blobPayloadHash(hashes: readonly Hex[]): Hex {
  return keccakHex(concatBytes(...hashes.map(fromHex)));
}
