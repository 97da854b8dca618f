import t from "tap";
import {
  concatHex,
  encodeAbiParameters,
  type Hex,
  keccak256,
  parseAbiParameters,
  stringToHex,
} from "viem";
import {
  type FlashblockHeader,
  laneRoot,
  NO_RULE,
  orderHash,
  resultHash,
  resultWords,
} from "../../lanes/flashblock.ts";
import { treeRoot } from "../../lanes/tree.ts";

const hash = (byte: string): Hex => `0x${byte.repeat(32)}`;

const header: FlashblockHeader = {
  chainId: 901,
  term: 1,
  leaderEpoch: 2,
  lastForced: 3,
  blockNumber: 4,
  index: 5,
  parentOrderHash: hash("06"),
  l1OriginNumber: 7,
  l1OriginHash: hash("08"),
  timestamp: 9,
  policyHash: hash("0a"),
  txCount: 11,
  laneRoot: hash("0c"),
  timestampMs: 13,
};

/** The root of a tree of one leaf, written from PROTOCOL 1. */
function rootOfOne(name: string, types: string, fields: readonly unknown[]): Hex {
  const parameters = parseAbiParameters(`bytes32,uint64,${types}`) as never;
  const values = [keccak256(stringToHex(name)), 0n, ...fields] as never;
  const leaf = keccak256(concatHex(["0x00", encodeAbiParameters(parameters, values)]));
  return keccak256(concatHex(["0x02", "0x0000000000000001", leaf]));
}

t.test("orderHash is H over the fourteen fields in order", async (t) => {
  const types = parseAbiParameters(
    "uint64,uint64,uint64,uint64,uint64,uint64,bytes32,uint64,bytes32,uint64,bytes32,uint64,bytes32,uint64",
  );
  const encoded = encodeAbiParameters(types, [
    901n,
    1n,
    2n,
    3n,
    4n,
    5n,
    hash("06"),
    7n,
    hash("08"),
    9n,
    hash("0a"),
    11n,
    hash("0c"),
    13n,
  ]);
  t.equal(orderHash(header), keccak256(encoded));
  for (const key of Object.keys(header) as (keyof FlashblockHeader)[]) {
    const changed = typeof header[key] === "number" ? header[key] + 1 : hash("ff");
    t.not(orderHash({ ...header, [key]: changed }), orderHash(header), key);
  }
});

t.test("resultHash is H of the root and the gas", async (t) => {
  const encoded = encodeAbiParameters(parseAbiParameters("bytes32,uint64"), [hash("01"), 21_000n]);
  t.equal(resultHash(hash("01"), 21_000n), keccak256(encoded));
});

t.test("the trees have the fields and names of the protocol", async (t) => {
  const ready = (7n << 40n) + 3n;
  t.equal(
    laneRoot([
      { txHash: hash("01"), rank: 255, rule: NO_RULE, accepted: 2n, ready, gasLimit: 21_000n },
    ]),
    rootOfOne("laneRoot", "bytes32,uint64,uint64,uint72,uint72,uint64", [
      hash("01"),
      255n,
      65_535n,
      2n,
      ready,
      21_000n,
    ]),
  );
  t.equal(
    treeRoot("resultRoot", [resultWords({ txHash: hash("01"), status: 1, gasUsed: 20_000n })]),
    rootOfOne("resultRoot", "bytes32,uint64,uint64", [hash("01"), 1n, 20_000n]),
  );
});
