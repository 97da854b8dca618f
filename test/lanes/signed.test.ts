import fc from "fast-check";
import t from "tap";
import { hashStruct, hashTypedData } from "viem";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import {
  BATCH_TYPE,
  batchDigest,
  batchStructHash,
  BLOCK_TYPE,
  blockDigest,
  FLASHBLOCK_TYPE,
  flashblockDigest,
  type SigningDomain,
} from "../../lanes/signed.ts";

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes));
const integer = fc.maxSafeNat();
const anyDomain = fc.record({
  chainId: integer,
  settlement: fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => toHex(bytes)),
  l1ChainId: integer,
});

/** viem's form of a domain, written from PROTOCOL 1. */
function viemDomain(domain: SigningDomain) {
  const salt: Hex = `0x${domain.l1ChainId.toString(16).padStart(64, "0")}`;
  return {
    name: "Pricelane",
    version: "1",
    chainId: BigInt(domain.chainId),
    verifyingContract: domain.settlement,
    salt,
  };
}

/** A value for each field, by its type: integers are `number` on our side and bigint on viem's. */
function valuesOf(fields: readonly (readonly [string, string])[]) {
  const values = fc.tuple(...fields.map(([, type]) => (type === "uint64" ? integer : hash)));
  return values.map((row) => ({
    ours: Object.fromEntries(fields.map(([name], at) => [name, row[at]])) as never,
    viem: Object.fromEntries(
      fields.map(([name], at) => [name, typeof row[at] === "number" ? BigInt(row[at]) : row[at]]),
    ),
  }));
}

const typeString = (name: string, fields: readonly (readonly [string, string])[]) =>
  `${name}(${fields.map(([field, type]) => `${type} ${field}`).join(",")})`;

const FLASHBLOCK = [
  ["orderHash", "bytes32"],
  ["resultHash", "bytes32"],
] as const;
const BLOCK = [
  ["number", "uint64"],
  ["blockHash", "bytes32"],
  ["laneDataHash", "bytes32"],
  ["term", "uint64"],
  ["leaderEpoch", "uint64"],
  ["lastForced", "uint64"],
  ["l1OriginNumber", "uint64"],
  ["l1OriginHash", "bytes32"],
] as const;
const BATCH = [
  ["index", "uint64"],
  ["previousBatchHash", "bytes32"],
  ["firstBlock", "uint64"],
  ["lastBlock", "uint64"],
  ["lastBlockHash", "bytes32"],
  ["stateRoot", "bytes32"],
  ["withdrawalRoot", "bytes32"],
  ["flashRoot", "bytes32"],
  ["laneStateHash", "bytes32"],
  ["firstOrigin", "uint64"],
  ["lastOriginNumber", "uint64"],
  ["lastOriginHash", "bytes32"],
  ["delayedCount", "uint64"],
  ["delayedAcc", "bytes32"],
  ["term", "uint64"],
  ["payloadHash", "bytes32"],
] as const;

const CASES = [
  { name: "Flashblock", fields: FLASHBLOCK, type: FLASHBLOCK_TYPE, digest: flashblockDigest },
  { name: "Block", fields: BLOCK, type: BLOCK_TYPE, digest: blockDigest },
  { name: "Batch", fields: BATCH, type: BATCH_TYPE, digest: batchDigest },
] as const;

for (const { name, fields, type, digest } of CASES) {
  t.test(`${name} digests are viem's`, async (t) => {
    t.equal(type, typeString(name, fields));
    const types = { [name]: fields.map(([field, kind]) => ({ name: field, type: kind })) };
    fc.assert(
      fc.property(anyDomain, valuesOf(fields), (domain, { ours, viem }) => {
        const expected = hashTypedData({
          domain: viemDomain(domain),
          types,
          primaryType: name,
          message: viem,
        });
        t.equal(toHex(digest(domain, ours)), expected);
      }),
      { numRuns: 500 },
    );
  });
}

t.test("a batch's struct hash is what the next batch names", async (t) => {
  const types: Record<string, { name: string; type: string }[]> = {
    Batch: BATCH.map(([name, type]) => ({ name, type })),
  };
  fc.assert(
    fc.property(valuesOf(BATCH), ({ ours, viem }) => {
      t.equal(batchStructHash(ours), hashStruct({ data: viem, primaryType: "Batch", types }));
    }),
    { numRuns: 500 },
  );
});

t.test("another chain, contract or L1 is another digest", async (t) => {
  const domain: SigningDomain = {
    chainId: 901,
    settlement: `0x${"01".repeat(20)}`,
    l1ChainId: 900,
  };
  const flashblock = {
    orderHash: `0x${"02".repeat(32)}`,
    resultHash: `0x${"03".repeat(32)}`,
  } as const;
  const domains: SigningDomain[] = [
    domain,
    { ...domain, chainId: 902 },
    { ...domain, settlement: `0x${"04".repeat(20)}` },
    { ...domain, l1ChainId: 901 },
  ];
  const digests = domains.map((other) => toHex(flashblockDigest(other, flashblock)));
  t.equal(new Set(digests).size, 4);
});
