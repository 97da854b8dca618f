/**
 * Payload bytes in blobs: round trip, capacity, strict filler; versioned hashes by the KZG service.
 */
import fc from "fast-check";
import t from "tap";
import { bytesEqual } from "../../lanes/bytes.ts";
import {
  BLOB_BYTES,
  BLOBS_MAX,
  blobPayloadHash,
  blobsToPayload,
  PAYLOAD_BYTES_MAX,
  payloadToBlobs,
} from "../../node/settlement/blob.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { createKzgService } from "../../node/workers/kzg.ts";

/** Bytes one blob carries: 31 of each of its 4096 field elements. */
const USABLE = 4096 * 31;

t.test("payloads of every size survive, in as few blobs as hold them", async (t) => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 200 }),
    fc.integer({ min: USABLE - 40, max: USABLE + 40 }),
    fc.integer({ min: PAYLOAD_BYTES_MAX - 3, max: PAYLOAD_BYTES_MAX }),
  );
  fc.assert(
    fc.property(sizes, fc.nat(255), (size, fill) => {
      const payload = Uint8Array.from({ length: size }, (_, i) => (i * 31 + fill) & 0xff);
      const blobs = payloadToBlobs(payload);
      const back = blobsToPayload(blobs);
      return (
        blobs.length === Math.ceil((size + 4) / USABLE) &&
        blobs.every((blob) => blob.length === BLOB_BYTES) &&
        back.ok &&
        bytesEqual(back.value, payload)
      );
    }),
    { numRuns: 40 },
  );
  t.equal(payloadToBlobs(new Uint8Array(PAYLOAD_BYTES_MAX)).length, BLOBS_MAX);
  t.throws(() => payloadToBlobs(new Uint8Array(PAYLOAD_BYTES_MAX + 1)), RangeError);
});

t.test("blobs that no payload gives are refused", async (t) => {
  const blobs = payloadToBlobs(Uint8Array.of(1, 2, 3));
  const edited = (at: number, value: number): Uint8Array[] => {
    const blob = (blobs[0] as Uint8Array).slice();
    blob[at] = value;
    return [blob];
  };
  const code = (list: Uint8Array[]): unknown => {
    const verdict = blobsToPayload(list);
    return verdict.ok ? "accepted" : verdict.data;
  };
  t.equal(code(blobs), "accepted");
  t.same(code(edited(BLOB_BYTES - 1, 1)), { field: "filler" });
  t.same(code(edited(8, 1)), { field: "filler" });
  t.same(code(edited(32, 1)), { blob: 0, element: 32 }, "the top byte of an element is zero");
  t.same(code(edited(1, 255)), { field: "length" });
  t.same(code([...blobs, new Uint8Array(BLOB_BYTES)]), { field: "length" }, "surplus blob");
  t.same(code([new Uint8Array(BLOB_BYTES - 1)]), { blob: 0 });
  t.same(code([]), { blobs: 0 });
});

t.test("the KZG service names a blob by its versioned hash", async (t) => {
  const kzg = createKzgService(null);
  const zero = await kzg.blobToSidecar(new Uint8Array(BLOB_BYTES));
  // The commitment to the zero polynomial is the point at infinity (c0 and zeros), and its
  // versioned hash is a constant of EIP-4844.
  t.equal(zero.commitment[0], 0xc0);
  t.equal(zero.versionedHash, "0x010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");
  t.equal(zero.proofs.length, 128);
  t.ok(zero.proofs.every((proof) => proof.length === 48));

  const [blob] = payloadToBlobs(Uint8Array.of(7));
  const hash = await kzg.blobToVersionedHash(blob as Uint8Array);
  t.equal(hash, (await kzg.blobToSidecar(blob as Uint8Array)).versionedHash);
  t.not(hash, zero.versionedHash);
  t.equal(await kzg.blobToVersionedHash(new Uint8Array(BLOB_BYTES).fill(255)), null);
  t.equal(await kzg.blobToVersionedHash(new Uint8Array(5)), null);
  const bytes = Buffer.from((hash as string).slice(2), "hex");
  t.equal(blobPayloadHash([hash as `0x${string}`]), keccakHex(bytes));
});
