/**
 * Who sends what in the benchmark of the lanes, and the state they start from: the same for the
 * rollup and for anvil.
 *
 * Owns accounts by role and their transactions. Accounts of one role send in turn, each with its
 * own nonces, so that a transaction waits for no earlier one of its sender's.
 */
import { bigintToBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import { GWEI, makeSender, plainAddress, type Sender, signNext } from "./accounts.ts";
import { HEAVY_GAS, type Loop, loopEntries, LOOPS, SINK } from "./loops.ts";
import { contractEntries, feedId, ORACLE, SENDER_BALANCE } from "./population.ts";
import type { AllocEntry } from "./state.ts";
import { createSupply, loopCall, oracleReport } from "./workloads.ts";

export type Role = "fast" | "normal" | "transfers" | "heavy" | "plug";

/** First account of each role, and how many. */
const ROLES: Readonly<Record<Role, readonly [first: number, count: number]>> = {
  fast: [0, 64],
  normal: [64, 64],
  transfers: [128, 1_024],
  heavy: [1_152, 256],
  plug: [1_408, 64],
};
/** Later than any report in the state. */
const FIRST_REPORT_MS = 1_795_000_000_000;
const TRANSFER_GAS = 21_000n;
/** Normal probes pay more than the flood: what pays the same stands behind all of it. */
const PROBE_TIP = 2n * GWEI;
/** Before everything in the normal lane. */
const PLUG_TIP = 10n * GWEI;
/** Most of a block's gas for three of them, in a few milliseconds: nothing goes aside. */
const PLUG_LOOP = "sstore-new";
/** Their slots are nobody else's. */
const FIRST_PLUG = 1_000_000;
/** Jumps, hashes, and writes of slots that stay or do not. */
const HEAVY_LOOPS = LOOPS.filter(({ name }) =>
  ["jump", "keccak256", "sstore-new", "sstore-dirty"].includes(name),
);

export interface Signed {
  readonly hash: Hex;
  readonly raw: Hex;
}

/** Signs the role's transactions, one after another. */
export function createSigner(role: Role): () => Signed {
  const [first, count] = ROLES[role];
  const senders = Array.from({ length: count }, (_, index) => makeSender(first + index));
  const supply = createSupply(senders);
  let number = 0;
  return () => {
    const { hash, raw } = signNext(supply.next(), callOf(role, number));
    number += 1;
    return { hash, raw: toHex(raw) };
  };
}

function callOf(role: Role, number: number): Parameters<typeof signNext>[1] {
  const to = plainAddress(number);
  switch (role) {
    case "fast": {
      // A feed has one reporter: its reports arrive in the order of their times.
      const feed = feedId(number % ROLES.fast[1]);
      return oracleReport(feed, 1_000_000n, FIRST_REPORT_MS + number);
    }
    case "normal":
      return { to, value: 1n, gasLimit: TRANSFER_GAS, tipPerGas: PROBE_TIP };
    case "transfers":
      return { to, value: 1n, gasLimit: TRANSFER_GAS };
    case "plug":
      return {
        ...loopCall(loopNamed(PLUG_LOOP), FIRST_PLUG + number, HEAVY_GAS),
        tipPerGas: PLUG_TIP,
      };
    case "heavy":
      return loopCall(loopAt(number % HEAVY_LOOPS.length), number, HEAVY_GAS);
  }
}

function loopAt(index: number): Loop {
  const loop = HEAVY_LOOPS[index];
  if (loop === undefined) throw new Error("no such loop");
  return loop;
}

function loopNamed(name: string): Loop {
  const loop = HEAVY_LOOPS.find((each) => each.name === name);
  if (loop === undefined) throw new Error(`no loop ${name}`);
  return loop;
}

/** Accounts with a balance, and the contracts. */
export function lanesEntries(): AllocEntry[] {
  const senders: Sender[] = Object.values(ROLES).flatMap(([first, count]) =>
    Array.from({ length: count }, (_, index) => makeSender(first + index)),
  );
  const loops = new Set<Hex>([SINK, ...HEAVY_LOOPS.map(({ address }) => address)]);
  return [
    ...senders.map(({ address }) => ({ address, balance: SENDER_BALANCE })),
    ...contractEntries([], [], new Set([ORACLE])),
    ...loopEntries(0, loops),
  ];
}

interface GenesisAccount {
  readonly balance?: string;
  readonly nonce?: number;
  readonly code?: Hex;
  readonly storage?: Readonly<Record<Hex, Hex>>;
}

/** The entries as a rollup config has them. */
export function genesisAlloc(entries: readonly AllocEntry[]): Record<Hex, GenesisAccount> {
  return Object.fromEntries(
    entries.map(({ address, balance = 0n, nonce = 0n, code, storage = [] }) => [
      address,
      {
        balance: balance.toString(),
        nonce: Number(nonce),
        ...(code === undefined ? {} : { code: toHex(code) }),
        storage: Object.fromEntries(
          [...storage].map(([slot, value]) => [slot, toHex(bigintToBytes(value, 32))]),
        ) as Record<Hex, Hex>,
      },
    ]),
  );
}
