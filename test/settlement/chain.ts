/** A small L2 chain in memory for settlement tests: blocks with real attributes, no execution. */
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { attributesTransaction } from "../../node/chain/attributes.ts";
import { keccak256, keccakHex } from "../../node/primitives/hash.ts";
import { headerHash, type Header } from "../../node/primitives/header.ts";
import type { L1Origin } from "../../node/primitives/l1-origin.ts";
import { decodeTransaction, type Transaction } from "../../node/primitives/transaction.ts";
import { rollupConfigSchema, type RollupConfig } from "../../node/rollup-config.ts";
import type { DerivedBlock } from "../../node/settlement/settlement.ts";
import type { Heads, StoredBlock } from "../../node/storage/store.ts";
import { L1_CHAIN_ID, L2_CHAIN_ID, settlementConfig } from "./anvil.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";

const hashOf = (text: string): Hex => keccakHex(new TextEncoder().encode(text));
export const POLICY_HASH: Hex = `0x${"bb".repeat(32)}`;

export function rollupConfig(
  settlement: Hex,
  l1Origin: { number: number; hash: Hex },
): RollupConfig {
  return rollupConfigSchema.parse({
    version: 1,
    chainId: L2_CHAIN_ID,
    l1ChainId: L1_CHAIN_ID,
    settlement,
    genesis: { timestamp: 1, l1Origin, gasLimit: "60000000", baseFee: "1", alloc: {} },
    eip1559: { denominator: 250, elasticity: 6 },
    system: {
      batcher: settlement,
      baseFeeScalar: 1,
      blobBaseFeeScalar: 1,
      operatorFeeScalar: 0,
      operatorFeeConstant: "0",
    },
    sequencer: settlementConfig.sequencer,
    policy: {},
    originConfirmations: 0,
    sequencingWindow: 60,
    challengeWindow: 60,
    l1BlobSchedule: [{ timestamp: 0, baseFeeUpdateFraction: 5007716 }],
  });
}

export interface TestChain {
  heads(): Heads;
  blockByNumber(number: number): StoredBlock | null;
  /** Appends a block with these raw transactions. */
  extend(origin: L1Origin, transactions?: readonly Uint8Array[]): StoredBlock;
  setSafe(number: number): void;
  /** What derivation must hand over for this block. */
  derived(number: number): DerivedBlock;
}

export function createTestChain(rollup: RollupConfig): TestChain {
  const blocks: StoredBlock[] = [makeBlock(rollup, 0, null, [])];
  const origins: (L1Origin | null)[] = [null];
  let safe = 0;
  const ref = (number: number) => ({ number, hash: blocks[number]!.block.hash });
  return {
    heads: () => ({ unsafe: ref(blocks.length - 1), safe: ref(safe), finalized: ref(0) }),
    blockByNumber: (number) => blocks[number] ?? null,
    extend(origin, transactions = []) {
      const block = makeBlock(rollup, blocks.length, origin, transactions);
      blocks.push(block);
      origins.push(origin);
      return block;
    },
    setSafe(number) {
      safe = number;
    },
    derived(number) {
      const { block, laneData } = blocks[number]!;
      const transactions = block.transactions.slice(1).map(({ raw }) => raw);
      return {
        number,
        timestamp: block.header.timestamp,
        origin: origins[number]!,
        laneData,
        transactions,
      };
    },
  };
}

function makeBlock(
  rollup: RollupConfig,
  number: number,
  origin: L1Origin | null,
  raws: readonly Uint8Array[],
): StoredBlock {
  const users = raws.map((raw): Transaction => {
    const decoded = decodeTransaction(raw);
    if (!decoded.ok) throw new Error(decoded.code);
    return { ...decoded.value, sender: `0x${"05".repeat(20)}` };
  });
  const system = origin === null ? [] : [attributesTransaction(rollup, origin, 0n)];
  const timestamp = (origin?.timestamp ?? 1_000) + number;
  const header: Header = {
    parentHash: hashOf(`parent ${number}`),
    ommersHash: hashOf("ommers"),
    beneficiary: `0x${"42".repeat(20)}`,
    stateRoot: hashOf(`state ${number}`),
    transactionsRoot: hashOf("transactions"),
    receiptsRoot: hashOf("receipts"),
    logsBloom: new Uint8Array(256),
    difficulty: 0n,
    number,
    gasLimit: 60_000_000n,
    gasUsed: 0n,
    timestamp,
    extraData: new Uint8Array(9),
    prevRandao: hashOf("randao"),
    nonce: "0x0000000000000000",
    baseFeePerGas: 1n,
    withdrawalsRoot: hashOf(`withdrawals ${number}`),
    blobGasUsed: 0n,
    excessBlobGas: 0n,
    parentBeaconBlockRoot: hashOf("beacon"),
    requestsHash: hashOf("requests"),
  };
  return {
    block: { hash: headerHash(header), header, transactions: [...system, ...users] },
    laneData: {
      policyHash: POLICY_HASH,
      flashblocks: [
        {
          txCount: 1 + users.length,
          timestampMs: 1000 * timestamp - 1,
          leaderEpoch: 1,
          ...NO_LANE_PRICES,
        },
      ],
      numbers: users.map((_, i) => ({
        accepted: BigInt(1000 * number + 2 * i),
        ready: BigInt(1000 * number + 2 * i + 1),
      })),
    },
    orderHashes: [hashOf(`order ${number}`)],
    flashblockSignatures: [],
    laneState: new Uint8Array(0),
    signature: null,
  };
}

/** Bytes that do not compress, the same for the same seed. */
export function noise(seed: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let block = keccak256(Uint8Array.of(seed & 0xff, (seed >> 8) & 0xff));
  for (let at = 0; at < length; at += 32) {
    out.set(block.subarray(0, Math.min(32, length - at)), at);
    block = keccak256(block);
  }
  return out;
}

export function hexNoise(seed: number, length: number): Hex {
  return toHex(noise(seed, length));
}
