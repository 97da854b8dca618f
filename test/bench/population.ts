/**
 * What is in the benchmarks' state: a great many accounts, some with a key, some holding tokens,
 * and the contracts of the workloads, their storage written as if they had been used for long.
 *
 * Owns addresses and storage layouts. A function of three numbers: the process that builds the
 * state and the one that measures on it know the same.
 */
import { bigintToBytes, concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { predeployAlloc } from "../../node/chain/genesis.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { ETHER, makeSender, plainAddress, type Sender } from "./accounts.ts";
import { loopEntries } from "./loops.ts";
import type { AllocEntry, StatePlan } from "./state.ts";

export interface Population {
  /** All accounts that are no contracts. */
  readonly accounts: number;
  /** Of these, with a key. */
  readonly senders: number;
  /** Of those without a key, that hold tokens. */
  readonly holders: number;
  /** Slots of the contract that the loop of cold reads goes through. */
  readonly slots: number;
}

export const POOLS = 20;
/** Feeds of the oracle, and past answers that it keeps of each. */
export const FEEDS = 100;
const RING_SIZE = 64;
export const TOKEN: Hex = "0xbe00000000000000000000000000000000000001";
export const ORACLE: Hex = "0xbe00000000000000000000000000000000000002";
export const ROUTER: Hex = "0xbe00000000000000000000000000000000000003";

export const SENDER_BALANCE = 1_000_000n * ETHER;
export const PLAIN_BALANCE = ETHER;
const HOLDER_TOKENS = 1_000n * ETHER;
const POOL_RESERVE = 1_000_000n * ETHER;
const UNLIMITED = (1n << 256n) - 1n;

/** Token `index` of the chain of pools; the first is the token of the transfers. */
export function tokenAddress(index: number): Hex {
  return index === 0 ? TOKEN : numbered(0x100 + index);
}

/** Pool `index`: takes token `index`, pays token `index + 1`. */
export function poolAddress(index: number): Hex {
  return numbered(0x200 + index);
}

function numbered(number: number): Hex {
  return `0xbe${number.toString(16).padStart(38, "0")}`;
}

export function plainCount({ accounts, senders }: Population): number {
  return accounts - senders;
}

export function makeSenders({ senders }: Population): Sender[] {
  return Array.from({ length: senders }, (_, index) => makeSender(index));
}

/** The whole state. */
export function statePlan(population: Population, senders: readonly Sender[]): StatePlan {
  const { holders, slots } = population;
  const owners = Array.from({ length: holders }, (_, index) => plainAddress(index));
  return {
    entries: [
      ...senders.map(({ address }) => ({ address, balance: SENDER_BALANCE })),
      ...contractEntries(
        senders.map(({ address }) => address),
        owners,
      ),
      ...loopEntries(slots),
    ],
    plain: { count: plainCount(population), balance: PLAIN_BALANCE, address: plainAddress },
  };
}

/**
 * Contracts but the loops: those of `wanted`, or all. Traders hold tokens and let the router take
 * them; owners only hold.
 */
export function contractEntries(
  traders: readonly Hex[],
  owners: readonly Hex[],
  wanted: ReadonlySet<Hex> | null = null,
): AllocEntry[] {
  const makers = new Map<Hex, () => AllocEntry>([
    [ORACLE, () => contract(ORACLE, "BenchOracle", oracleStorage())],
    [ROUTER, () => contract(ROUTER, "BenchRouter")],
  ]);
  for (const entry of systemEntries()) makers.set(entry.address, () => entry);
  for (let index = 0; index <= POOLS; index++)
    makers.set(tokenAddress(index), () => tokenEntry(index, traders, owners));
  for (let index = 0; index < POOLS; index++)
    makers.set(poolAddress(index), () => poolEntry(index));
  return [...makers]
    .filter(([address]) => wanted === null || wanted.has(address))
    .map(([, make]) => make());
}

function systemEntries(): AllocEntry[] {
  const alloc = predeployAlloc((name) => loadArtifact(name).deployedBytecode);
  return Object.entries(alloc).map(([address, { nonce = 0, code = "0x" }]) => ({
    address: address as Hex,
    nonce: BigInt(nonce),
    code: fromHex(code as Hex),
  }));
}

function contract(address: Hex, name: string, storage?: ReadonlyMap<Hex, bigint>): AllocEntry {
  const code = fromHex(loadArtifact(name).deployedBytecode);
  return { address, nonce: 1n, code, ...(storage === undefined ? {} : { storage }) };
}

/** OpenZeppelin's layout: balances at 0, allowances at 1, total supply at 2. */
function tokenEntry(index: number, traders: readonly Hex[], owners: readonly Hex[]): AllocEntry {
  const storage = new Map<Hex, bigint>();
  let supply = 0n;
  const hold = (owner: Hex, amount: bigint): void => {
    storage.set(mappingSlot(owner, 0n), amount);
    supply += amount;
  };
  if (index < POOLS) hold(poolAddress(index), POOL_RESERVE);
  if (index > 0) hold(poolAddress(index - 1), POOL_RESERVE);
  if (index === 0) {
    for (const owner of [...traders, ...owners]) hold(owner, HOLDER_TOKENS);
    for (const trader of traders)
      storage.set(mappingSlot(ROUTER, BigInt(mappingSlot(trader, 1n))), UNLIMITED);
  }
  storage.set(slotOf(2n), supply);
  return contract(tokenAddress(index), "BenchToken", storage);
}

function poolEntry(index: number): AllocEntry {
  const next = index + 1 < POOLS ? BigInt(poolAddress(index + 1)) : 0n;
  const reserves = (POOL_RESERVE << 112n) | POOL_RESERVE;
  const words = [BigInt(tokenAddress(index)), BigInt(tokenAddress(index + 1)), next, reserves];
  const storage = new Map(
    [...words.entries()]
      .filter(([, word]) => word !== 0n)
      .map(([slot, word]) => [slotOf(BigInt(slot)), word] as const),
  );
  return contract(poolAddress(index), "BenchPool", storage);
}

/**
 * Every feed with a full ring and extremes that no report exceeds: a report changes slots and
 * creates none, and takes the same gas whatever came before.
 */
function oracleStorage(): Map<Hex, bigint> {
  const answer = (1n << 240n) | (1n << 192n) | (1_000n << 128n) | 1_000_000n;
  const [lowest, highest] = [-ETHER, ETHER];
  const round = (1n << 192n) | (highest << 96n) | BigInt.asUintN(96, lowest);
  const storage = new Map<Hex, bigint>();
  for (let feed = 0; feed < FEEDS; feed++) {
    storage.set(mappingSlot(feedId(feed), 0n), answer);
    storage.set(mappingSlot(feedId(feed), 1n), answer);
    storage.set(mappingSlot(feedId(feed), 2n), round);
    const ring = BigInt(mappingSlot(feedId(feed), 3n));
    for (let index = 0; index < RING_SIZE; index++)
      storage.set(slotOf((ring + BigInt(index)) & UNLIMITED), answer);
  }
  return storage;
}

export function feedId(index: number): Hex {
  return slotOf(BigInt(index));
}

function slotOf(number: bigint): Hex {
  return toHex(bigintToBytes(number, 32));
}

/** Solidity's slot of `map[key]` for a mapping at `slot`. */
function mappingSlot(key: Hex, slot: bigint): Hex {
  return keccakHex(concatBytes(bigintToBytes(BigInt(key), 32), bigintToBytes(slot, 32)));
}
