/**
 * Rarer actions of the mix: the edges of rules, each a unit beside where they change, and orders of
 * events within one transaction. Does not own envelopes.
 */
import { concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { gasCost } from "../../node/execution/embedded/gas.ts";
import { MESSAGE_PASSER } from "../../node/primitives/predeploys.ts";
import { addressHex, SENDERS, someAddress } from "./accounts.ts";
import { call, someInitCode, word, words } from "./actions.ts";
import { assemble, deploying, pushBytes } from "./assembler.ts";
import { addressOfContract, CONTRACT_NAMES } from "./contracts.ts";
import type { Action, Place } from "./place.ts";
import { precompileCall } from "./precompiles.ts";
import { someProgram } from "./programs.ts";
import type { Random } from "./random.ts";

/** What a contract that is made in a transaction can be, for the transaction that destroys it. */
const CHILDREN: readonly Hex[] = [
  deploying(assemble("CALLER SELFDESTRUCT")),
  deploying(assemble("ADDRESS SELFDESTRUCT")),
  deploying(assemble("COINBASE SELFDESTRUCT")),
  deploying(assemble("0xdead0001 SELFDESTRUCT")),
  deploying(assemble("0 SLOAD 1 ADD 0 SSTORE GAS 0 SLOAD 0 0 LOG2 CALLER SELFDESTRUCT")),
  deploying(assemble("7 1 TSTORE 0 TLOAD 1 ADD DUP1 0 TSTORE GAS 0 0 LOG2 CALLER SELFDESTRUCT")),
  assemble("5 0 SSTORE CALLER SELFDESTRUCT"),
  assemble("ADDRESS SELFDESTRUCT"),
  assemble("5 0 SSTORE :6001600052 0x20 0 RETURN"),
  assemble("0xef00 0xf0 SHL 0 MSTORE 2 0 RETURN"),
  assemble("0xef 0 MSTORE8 0x20 0 REVERT"),
];
/** Memory of the phoenix: the child's initcode from 0, its address here. */
const CHILD_AT = 0x400;

/**
 * Makes a child by CREATE2 and CREATE, calls it, pays it, destroys it and makes it again, in any
 * order, all in one transaction; logs each result with the gas left.
 */
function phoenix(random: Random): Hex {
  const child = fromHex(random.pick(CHILDREN));
  const report = "GAS 0 0 LOG2";
  const target = `0x${CHILD_AT.toString(16)} MLOAD`;
  const steps = Array.from({ length: 3 + random.below(8) }, () => {
    const value = random.below(3);
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2:
        return `0 ${child.length} 0 ${value} CREATE2 DUP1 ${CHILD_AT} MSTORE ${report}`;
      case 3:
        return `${child.length} 0 ${value} CREATE DUP1 ${CHILD_AT} MSTORE ${report}`;
      case 4:
      case 5:
        return `0 0 0 0 ${value} ${target} GAS CALL ${report}`;
      case 6:
        return `0 0 0 0 ${target} GAS ${random.pick(["STATICCALL", "DELEGATECALL"])} ${report}`;
      case 7:
        return `${target} ${random.pick(["BALANCE", "EXTCODEHASH", "EXTCODESIZE"])} ${report}`;
      default:
        return `SELFBALANCE ${report}`;
    }
  });
  const end = random.pick(["STOP", "0 0 REVERT", "CALLER SELFDESTRUCT", "ADDRESS SELFDESTRUCT"]);
  return assemble([pushBytes(child), ...steps, end].join(" "));
}

/** Bytes that FastLZ finds repetitions in, near and far. */
function compressible(random: Random): Uint8Array {
  const piece = random.bytes(1 + random.below(80));
  const parts = Array.from({ length: 1 + random.below(60) }, () =>
    random.oneIn(4) ? random.bytes(random.below(40)) : piece,
  );
  const far = random.oneIn(6) ? [new Uint8Array(random.below(9000)), piece] : [];
  return concatBytes(...parts, ...far);
}

/** The gas limit is what the form costs, or one less, or one more. */
function exact({ random }: Place, to: Hex | null, data: Hex): Action {
  const form = { to, data: fromHex(data), accessList: [], authorizationList: [] };
  const { intrinsic, floor } = gasCost(form);
  const gas = random.pick([intrinsic, floor]) + BigInt(random.below(3)) - 1n;
  return { to, data, value: 0n, gas };
}

export const CORNERS: readonly ((place: Place) => Action)[] = [
  ({ random }) => ({
    to: null,
    data: phoenix(random),
    value: BigInt(random.below(9)),
    gas: BigInt(300_000 + random.below(900_000)),
  }),
  ({ random }) => ({
    to: null,
    data: phoenix(random),
    value: 9n,
    gas: 2_000_000n,
  }),
  (place) => {
    const data = toHex(compressible(place.random));
    return exact(place, addressHex(someAddress(place.random)), data);
  },
  (place) => exact(place, null, someInitCode(place.random)),
  ({ random }) => {
    const data = toHex(compressible(random));
    return { to: addressHex(0xee06n), data, value: 0n, gas: 21_000n + 20n * BigInt(data.length) };
  },
  // Slots are cleared and set again: refunds up to their cap, and calldata's floor above them.
  ({ random }) => {
    const slots = Array.from({ length: 1 + random.below(12) }, (_, slot) => slot);
    const values = slots.flatMap((slot) => [slot, random.pick([0, 0, 1])]);
    const again = random.oneIn(2) ? slots.flatMap((slot) => [slot, random.below(2)]) : [];
    const filler = random.oneIn(3) ? Array.from({ length: 60 }, () => 2n ** 256n - 1n) : [];
    return call("store", words(...values, ...again, ...filler), 600_000);
  },
  // A storage slot of the message passer moves the header's withdrawals root.
  ({ random }) => ({
    to: MESSAGE_PASSER,
    data: words(random.below(6), random.below(3)),
    value: BigInt(random.below(2)),
    gas: 90_000n,
  }),
  // The stipend alone: 2300 gas, and what it cannot pay.
  ({ random }) => {
    const target = BigInt(addressOfContract(random.pick(CONTRACT_NAMES)));
    const data = words(random.pick([0, 1, 2299, 2300, 2301]), target, random.below(2), 1, 2);
    return call(random.pick(["call", "callcode"]), data, 120_000);
  },
  // A precompile that fails gives the value back.
  ({ random }) => {
    const { address, input } = precompileCall(random);
    const gas = random.pick([0, 1, 15, 60, 100, 700, 3000, 3450, 45_000, 50_000]);
    const data = toHex(concatBytes(word(gas), word(address), word(random.below(3)), input));
    return call("call", data, 300_000 + 60 * input.length);
  },
  // Contracts that this chain made, called again in later transactions and blocks.
  ({ random, made }) => {
    const to = made.length === 0 ? addressOfContract("sink") : random.pick(made);
    const data = words(random.below(4), random.below(4));
    return {
      to,
      data,
      value: BigInt(random.below(3)),
      gas: BigInt(60_000 + random.below(900_000)),
    };
  },
  ({ random }) => {
    const data = deploying(someProgram(random, 20 + random.below(60)));
    return { to: null, data, value: 5n, gas: BigInt(500_000 + random.below(900_000)) };
  },
  ({ random }) => {
    const target = random.pick(SENDERS).address;
    return call("environment", words(BigInt(target)), 140_000, BigInt(random.below(2)));
  },
  ({ random }) => call("selfcall", words(random.below(40)), 100_000 + random.below(500_000)),
];
