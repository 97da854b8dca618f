/**
 * The parity chain: blocks of the embedded engine with everything in them that a transaction can
 * do. Fixed by its seed. Executes in memory; no store, no lanes, no network.
 */
import { setImmediate } from "node:timers/promises";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { attributesTransaction } from "../../node/chain/attributes.ts";
import { predeployAlloc } from "../../node/chain/genesis.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { MESSAGE_PASSER } from "../../node/primitives/predeploys.ts";
import type { ExecutedBlock, RejectionCode, RootHasher } from "../../node/execution/engine.ts";
import type { L1Origin } from "../../node/primitives/l1-origin.ts";
import type { Transaction } from "../../node/primitives/transaction.ts";
import { type RollupConfig, rollupConfigSchema } from "../../node/rollup-config.ts";
import { createChain, type TestChain } from "../execution/fixtures/chain.ts";
import { lower, SENDERS } from "./accounts.ts";
import { collisionAlloc } from "./collisions.ts";
import { codeOfContract, contractAlloc } from "./contracts.ts";
import { someDeposit } from "./deposits.ts";
import { createInterruption, type Interruption } from "./interruption.ts";
import { CHAIN_ID, type Place } from "./place.ts";
import { createRandom, type Random } from "./random.ts";
import { SCENARIOS } from "./scenarios.ts";
import { someTransaction } from "./transactions.ts";

const GENESIS_TIME = 1_700_000_000;
const GENESIS_BALANCE = 10n ** 24n;
/** Blocks of one L1 origin. */
const BLOCKS_PER_ORIGIN = 6;
/** Blocks between a rise and a fall of the base fee. */
const FEE_PERIOD = 40;
/** Block from which on each scenario has a block, in order; after the last, chance picks them. */
const SCENARIOS_FROM = 10;
/** Polls of a transaction before it is interrupted. */
const INTERRUPTED_AFTER_MAX = 40;
/** Contracts that are remembered, to be called again. */
const MADE_MAX = 48;
/** The last scenarios leave room in the block. */
const LIGHT_SCENARIOS = 5;
const USER_TRANSACTIONS_MAX = 16;
const DEPOSITS_MAX = 4;

/** What everyone on the chain agrees on. */
export function parityRollup(): RollupConfig {
  const balance = GENESIS_BALANCE.toString();
  const funded = SENDERS.map(({ address }) => [lower(address), { balance }] as const);
  return rollupConfigSchema.parse({
    version: 1,
    chainId: CHAIN_ID,
    l1ChainId: 900,
    settlement: `0x${"5e".repeat(20)}`,
    genesis: {
      timestamp: GENESIS_TIME,
      l1Origin: { number: 10, hash: hashOf(10) },
      gasLimit: "30000000",
      baseFee: "1000000000",
      alloc: {
        ...predeployAlloc((name) => loadArtifact(name).deployedBytecode),
        ...contractAlloc(),
        ...collisionAlloc(),
        // A storage that every transaction can write: the header's withdrawals root is its root.
        [MESSAGE_PASSER]: { nonce: 1, code: codeOfContract("store") },
        ...Object.fromEntries<unknown>(funded),
      },
    },
    eip1559: { denominator: 250, elasticity: 6 },
    system: {
      batcher: `0x${"ba".repeat(20)}`,
      baseFeeScalar: 0,
      blobBaseFeeScalar: 0,
      operatorFeeScalar: 0,
      operatorFeeConstant: "0",
    },
    sequencer: `0x${"5c".repeat(20)}`,
    policy: {},
    originConfirmations: 0,
    sequencingWindow: 60,
    challengeWindow: 60,
    l1BlobSchedule: [{ timestamp: 0, baseFeeUpdateFraction: 5_007_716 }],
  });
}

function hashOf(number: number): Hex {
  return `0x${(0xaa0000 + number).toString(16).padStart(64, "0")}`;
}

function someOrigin(random: Random, number: number): L1Origin {
  return {
    number,
    hash: hashOf(number),
    parentHash: hashOf(number - 1),
    timestamp: GENESIS_TIME + 12 * number,
    baseFee: BigInt(random.below(2 ** 32)) * BigInt(1 + random.below(100)),
    blobBaseFee: BigInt(1 + random.below(2 ** 31)),
    prevRandao: toHex(random.bytes(32)),
    parentBeaconBlockRoot: toHex(random.bytes(32)),
  };
}

/** Fees as a system config could set them: none, small, large. */
function someSystem(random: Random, { system }: RollupConfig): RollupConfig["system"] {
  if (random.oneIn(4)) return system;
  return {
    ...system,
    baseFeeScalar: random.pick([0, 1_368, 5_227, 2 ** 31]),
    blobBaseFeeScalar: random.pick([0, 810_949, 1_014_213, 2 ** 32 - 1]),
    operatorFeeScalar: random.pick([0, 1, 123_456, 2 ** 32 - 1]),
    operatorFeeConstant: random.pick([0n, 7n, 10n ** 12n, 10n ** 15n]),
  };
}

/** A system config can set any gas limit, up or down at once. */
const GAS_LIMITS = [30_000_000n, 30_000_000n, 29_000_001n, 45_000_000n, 60_000_000n] as const;

/** The chain as it grows: one block may be sealed and not yet committed under the open one. */
interface Growth {
  readonly chain: TestChain;
  readonly random: Random;
  readonly interruption: Interruption;
  readonly made: Hex[];
  sealing: Promise<ExecutedBlock> | null;
  /** Committed, to be handed out. */
  readonly committed: ExecutedBlock[];
}

/**
 * Roots of a block are there a turn of the event loop later: as long as nothing waits for them, the
 * next block is executed without its parent's hash.
 */
function late(roots: RootHasher): RootHasher {
  return {
    ...roots,
    async seal() {
      await setImmediate();
      return roots.seal();
    },
  };
}

/** Commits the sealed block, if there is one; the open block goes on. */
async function settle(growth: Growth): Promise<void> {
  if (growth.sealing === null) return;
  const executed = await growth.sealing;
  growth.sealing = null;
  await growth.chain.commit(executed);
  remember(growth.made, executed);
  growth.committed.push(executed);
}

/**
 * The chain's blocks from number 1 on. Half of them are built as a sequencer builds them: opened
 * while the parent's roots are hashed, hashed in slices, the parent committed in the middle. A
 * third of the transactions are interrupted once, where they run long enough.
 */
export async function* parityChain(
  rollup: RollupConfig,
  seed: number,
  blocks: number,
): AsyncGenerator<ExecutedBlock> {
  const random = createRandom(seed);
  const interruption = createInterruption();
  const chain = createChain(rollup, { preemption: interruption, wrapRoots: late });
  const growth = { chain, random, interruption, made: [], sealing: null, committed: [] } as Growth;
  let origin = someOrigin(random, 11);
  let { system } = rollup;
  let { gasLimit, timestamp } = rollup.genesis;
  for (let number = 1; number <= blocks; number++) {
    const sequenceNumber = (number - 1) % BLOCKS_PER_ORIGIN;
    if (sequenceNumber === 0) {
      origin = someOrigin(random, origin.number + 1);
      system = someSystem(random, rollup);
      gasLimit = random.pick(GAS_LIMITS);
    }
    timestamp += 1 + random.below(3);
    const { prevRandao, parentBeaconBlockRoot } = origin;
    const parent = growth.sealing === null ? chain.head() : null;
    const environment = { parent, timestamp, gasLimit, prevRandao, parentBeaconBlockRoot };
    await chain.engine.open(environment);
    // Not sooner: whoever takes the blocks may wait long.
    yield* growth.committed.splice(0);
    const attributes = attributesTransaction({ ...rollup, system }, origin, BigInt(sequenceNumber));
    await apply(growth, attributes);
    await fill(growth, {
      random,
      number,
      timestamp,
      baseFee: chain.engine.baseFee(),
      rollup: { ...rollup, system },
      origin,
      made: growth.made,
      nonce: (address) => chain.engine.account(address).nonce,
      gasLeft: () => environment.gasLimit - chain.engine.gasUsed(),
      crowded: Math.floor(number / FEE_PERIOD) % 2 === 1,
    });
    await settle(growth);
    growth.sealing = chain.engine.seal();
    if (random.oneIn(2)) await settle(growth);
  }
  await settle(growth);
  yield* growth.committed;
}

/** The contracts of a block join those before; the oldest go. */
function remember(made: Hex[], { receipts }: ExecutedBlock): void {
  for (const { contractAddress, status } of receipts)
    if (contractAddress !== null && status === 1) made.push(contractAddress);
  made.splice(0, Math.max(0, made.length - MADE_MAX));
}

async function fill(growth: Growth, place: Place): Promise<void> {
  const { random, number } = place;
  for (let i = random.below(DEPOSITS_MAX); i > 0; i--) await apply(growth, someDeposit(place));
  const scenario = SCENARIOS[number - SCENARIOS_FROM] ?? chosen(random);
  if (scenario !== null)
    for await (const transaction of scenario(place)) await apply(growth, transaction);
  for (let i = random.below(USER_TRANSACTIONS_MAX); i > 0; i--) {
    await apply(growth, await someTransaction(place));
    // Epochs of prices are deposits in the middle of a block.
    if (random.oneIn(12)) await apply(growth, someDeposit(place));
  }
}

/** One in four blocks has a scenario, the heavy ones seldom. */
function chosen(random: Random): (typeof SCENARIOS)[number] | null {
  if (!random.oneIn(4)) return null;
  return random.oneIn(12) ? random.pick(SCENARIOS) : random.pick(SCENARIOS.slice(-LIGHT_SCENARIOS));
}

/** Why a transaction of the mix may be left out; anything else is a fault of the mix. */
const LEFT_OUT: ReadonlySet<RejectionCode> = new Set<RejectionCode>([
  "BLOCK_GAS_EXCEEDED",
  // A list of addresses costs more than a plain transfer brings.
  "INTRINSIC_GAS_TOO_LOW",
  // A delegation to the destructor empties a sender.
  "INSUFFICIENT_FUNDS",
]);

async function apply(growth: Growth, transaction: Transaction): Promise<void> {
  const { chain, random, interruption } = growth;
  // None of this may show in any block.
  if (random.oneIn(6)) chain.engine.endSlice();
  if (random.oneIn(8)) await settle(growth);
  if (random.oneIn(3)) {
    interruption.arm(1 + random.below(INTERRUPTED_AFTER_MAX));
    const { ok } = await chain.engine.apply(transaction, { preemptible: true });
    if (ok) return;
  }
  const result = await chain.engine.apply(transaction);
  if (result.ok || LEFT_OUT.has(result.code)) return;
  throw new Error(`${result.code}: ${transaction.hash} of type ${transaction.type}`);
}
