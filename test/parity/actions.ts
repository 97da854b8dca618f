/** What the transactions of the parity chain do. Does not own envelopes and signatures. */
import { bigintToBytes, concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { BEACON_ROOTS, HISTORY_STORAGE, L1_BLOCK } from "../../node/primitives/predeploys.ts";
import { addressHex, lower, SENDERS, someAddress } from "./accounts.ts";
import { assemble, deploying } from "./assembler.ts";
import { addressOfContract, CONTRACT_NAMES, type ContractName } from "./contracts.ts";
import type { Action, Place } from "./place.ts";
import { precompileCall } from "./precompiles.ts";
import { someProgram } from "./programs.ts";
import type { Random } from "./random.ts";

export const word = (value: bigint | number): Uint8Array => bigintToBytes(BigInt(value), 32);
export const words = (...values: (bigint | number)[]): Hex =>
  toHex(concatBytes(...values.map(word)));

/** A call of a contract of the genesis. */
export function call(contract: ContractName, data: Hex, gas: number, value = 0n): Action {
  return { to: addressOfContract(contract), data, value, gas: BigInt(gas) };
}

const CALLERS = ["call", "callcode", "delegatecall", "staticcall"] as const;

/** Through a contract that reports flag, output and gas; directly now and then. */
function callOf({ random }: Place, target: bigint, input: Uint8Array, gas: number): Action {
  const { length } = input;
  const enough = random.oneIn(6) ? random.below(gas) : gas;
  const value = random.below(2);
  if (random.oneIn(8))
    return { to: addressHex(target), data: toHex(input), value: BigInt(value), gas: BigInt(gas) };
  const data = toHex(concatBytes(word(enough), word(target), word(value), input));
  return call(random.pick(CALLERS), data, gas + 80_000 + 60 * length);
}

/** Creations that deploy, destruct themselves, revert, fail, or leave odd code. */
const INIT_CODES: readonly Hex[] = [
  deploying(assemble("CALLER SELFDESTRUCT")),
  assemble("0x2a 1 SSTORE CALLER SELFDESTRUCT"),
  assemble("ADDRESS SELFDESTRUCT"),
  assemble("0 0 REVERT"),
  assemble("INVALID"),
  assemble("1 0 SSTORE 2 1 SSTORE 0 0 SSTORE 0 1 SSTORE"),
  assemble("0xef 0 MSTORE8 1 0 RETURN"),
  assemble("0x6001 0 RETURN"),
  assemble("0x6000 0 RETURN"),
  assemble("0x20 0 RETURN"),
  deploying(assemble("0 CALLDATALOAD SLOAD 0 MSTORE 0x20 0 RETURN")),
  "0x",
];

export function someInitCode(random: Random): Hex {
  if (random.oneIn(2)) return random.pick(INIT_CODES);
  const program = someProgram(random, 5 + random.below(40));
  return random.oneIn(2) ? program : deploying(program);
}

/** Everyday transactions, and what they do with every part of the chain. */
export const ACTIONS: readonly ((place: Place) => Action)[] = [
  // A transfer: to nobody yet, to a precompile, to a contract, to another sender.
  ({ random }) => ({
    to: random.oneIn(4) ? lower(random.pick(SENDERS).address) : addressHex(someAddress(random)),
    data: "0x",
    value: BigInt(random.below(5)),
    gas: BigInt(random.pick([21_000, 25_000, 60_000])),
  }),
  // Bytes that cost the floor of EIP-7623.
  ({ random }) => {
    const zeros = new Uint8Array(random.below(3000));
    const data = concatBytes(random.bytes(random.below(2000)), zeros);
    const gas = 21_000 + 40 * data.length + random.below(3);
    return { to: addressHex(0xee05n), data: toHex(data), value: 0n, gas: BigInt(gas) };
  },
  ({ random }) => {
    const pairs = Array.from({ length: 1 + random.below(4) }, () => [
      random.below(8),
      random.pick([0, 0, 1, 2, 2 ** 40]),
    ]).flat();
    const contract = random.pick(["store", "store", "transient", "load"] as const);
    return call(contract, words(...pairs), 30_000 + random.below(120_000));
  },
  ({ random, number }) =>
    call("environment", words(random.pick([0, 1, 2, 255, 256, 257, number])), 120_000),
  (place) => {
    const { address, input } = precompileCall(place.random);
    return callOf(place, address, input, 400_000);
  },
  (place) => {
    const { address, input } = precompileCall(place.random);
    return callOf(place, address, input, 400_000);
  },
  // The beacon roots by time, the history by number: now, before, and out of the ring.
  (place) => {
    const back = place.random.pick([0, 1, 2, 3, 200, 8191, 8192]);
    const beacon = place.random.oneIn(2);
    const asked = (beacon ? place.timestamp : place.number) - back;
    const input = place.random.oneIn(6) ? new Uint8Array(31) : word(Math.max(0, asked));
    return callOf(place, BigInt(beacon ? BEACON_ROOTS : HISTORY_STORAGE), input, 60_000);
  },
  // What L1Block says: number, timestamp, basefee, hash, sequenceNumber, blobBaseFee, batcherHash.
  (place) => {
    const selector = place.random.pick([
      "0x8381f58a",
      "0xb80777ea",
      "0x5cf24969",
      "0x09bd5a60",
      "0x64ca23ef",
      "0xf8206140",
      "0xe81b2c6d",
      "0x098999be",
    ] as const);
    return callOf(place, BigInt(L1_BLOCK), fromHex(selector), 60_000);
  },
  ({ random }) => {
    const data = someInitCode(random);
    return {
      to: null,
      data,
      value: BigInt(random.below(2)),
      gas: BigInt(60_000 + random.below(900_000)),
    };
  },
  ({ random }) => {
    const initCode = fromHex(someInitCode(random));
    const data = toHex(concatBytes(word(random.below(3)), initCode));
    return call("factory", data, 120_000 + random.below(600_000), BigInt(random.below(3)));
  },
  // One program in a contract that is made, called and forgotten within a transaction.
  ({ random }) => {
    const data = someProgram(random, 20 + random.below(60));
    return { to: null, data, value: 3n, gas: BigInt(150_000 + random.below(400_000)) };
  },
  (place) => {
    const { random } = place;
    const contract = random.pick(CONTRACT_NAMES);
    const target = BigInt(addressOfContract(contract));
    const input = concatBytes(word(random.pick([0n, 32n, someAddress(random)])), word(1));
    return callOf(place, target, input, 90_000);
  },
  ({ random }) => call("destructor", words(someAddress(random)), 80_000, BigInt(random.below(3))),
  ({ random }) => call("recursive", "0x", 60_000 + random.below(400_000)),
  ({ random }) =>
    call(random.pick(["invalid", "looper", "reverter"]), "0x", 22_000 + random.below(60_000)),
];

/** Uses up gas at no cost: the base fee rises. */
export function burn(random: Random): Action {
  return call("invalid", "0x", 4_000_000 + random.below(5_000_000));
}
