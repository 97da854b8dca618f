/**
 * Random EVM programs that mostly run: the stack never underflows, memory stays small, results are
 * stored and logged. What goes wrong in them (out of gas, bad jumps) does so in the middle.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { someAddress } from "./accounts.ts";
import { assemble, push } from "./assembler.ts";
import type { Random } from "./random.ts";

/** Instructions by how many words they take; each gives one back. */
const OPERATIONS: readonly (readonly string[])[] = [
  [
    ..."ADDRESS ORIGIN CALLER CALLVALUE CALLDATASIZE CODESIZE GASPRICE RETURNDATASIZE".split(" "),
    ..."COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE".split(" "),
    ..."BLOBBASEFEE PC MSIZE GAS PUSH0".split(" "),
  ],
  "ISZERO NOT CALLDATALOAD BLOBHASH SLOAD TLOAD BALANCE EXTCODESIZE EXTCODEHASH".split(" "),
  [
    ..."ADD MUL SUB DIV SDIV MOD SMOD EXP SIGNEXTEND LT GT SLT SGT EQ AND OR XOR".split(" "),
    ..."BYTE SHL SHR SAR".split(" "),
  ],
  "ADDMOD MULMOD".split(" "),
];

const WORDS: readonly bigint[] = [
  0n,
  1n,
  2n,
  31n,
  32n,
  255n,
  256n,
  257n,
  (1n << 64n) - 1n,
  1n << 128n,
  (1n << 255n) - 1n,
  1n << 255n,
  (1n << 256n) - 1n,
  (1n << 256n) - 2n,
];

function someWord(random: Random): bigint {
  if (random.oneIn(3)) return random.pick(WORDS);
  return random
    .bytes(1 + random.below(32))
    .reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

const small = (random: Random): string => String(random.below(160));

/** Nothing at all at a place beyond any memory, reads beyond any data, jumps, and what may fail. */
function far(random: Random, address: string): readonly [code: string, change: number] {
  const word = `:${push(someWord(random))}`;
  const [a, b] = [small(random), small(random)];
  return random.pick([
    [`0 ${word} KECCAK256`, 1],
    [`${a} ${word} ${b} CALLDATACOPY`, 0],
    [`${a} ${word} ${b} CODECOPY`, 0],
    [`${a} ${word} ${b} ${address} EXTCODECOPY`, 0],
    [`0 0 ${word} CALLDATACOPY`, 0],
    [`0 0 ${word} RETURNDATACOPY`, 0],
    [`0 ${word} ${word} MCOPY`, 0],
    [`0 ${word} LOG0`, 0],
    [`0 ${word} 1 CREATE`, 1],
    [`7 0 ${word} 0 CREATE2`, 1],
    [`0 ${word} 0 ${word} 1 ${address} GAS CALL`, 1],
    [`0 ${word} 0 ${word} ${address} ${word} STATICCALL`, 1],
    [`${word} BLOCKHASH`, 1],
    [`${word} CALLDATALOAD`, 1],
    ["PC 5 ADD JUMP JUMPDEST", 0],
    ["1 PC 5 ADD JUMPI JUMPDEST", 0],
    [random.oneIn(4) ? `${a} ${b} 0 RETURNDATACOPY` : "JUMPDEST", 0],
    [random.oneIn(4) ? `${word} MLOAD` : "MSIZE", 1],
  ] as const);
}

/** One step and how it changes the height of the stack. */
function step(random: Random, height: number): readonly [code: string, change: number] {
  const word = (): string => `:${push(someWord(random))}`;
  const address = (): string => (random.oneIn(10) ? "ADDRESS" : `:${push(someAddress(random))}`);
  const gas = (): string => (random.oneIn(2) ? "GAS" : String(random.below(60_000)));
  switch (random.below(26)) {
    case 0:
    case 1:
      return [word(), 1];
    case 2:
      return height > 0 ? ["POP", -1] : ["JUMPDEST", 0];
    case 3:
      return height > 3 ? [`DUP${1 + random.below(4)}`, 1] : ["CALLER", 1];
    case 4:
      return height > 4 ? [`SWAP${1 + random.below(4)}`, 0] : ["GAS", 1];
    case 5:
      return height > 0 ? [`${random.below(6)} SSTORE`, -1] : [`${random.below(6)} SLOAD`, 1];
    case 6:
      return height > 0 ? [`${random.below(6)} TSTORE`, -1] : [`${random.below(6)} TLOAD`, 1];
    case 7:
      return height > 0
        ? [`${small(random)} ${random.pick(["MSTORE", "MSTORE8"])}`, -1]
        : ["GAS", 1];
    case 8:
      return [`${small(random)} MLOAD`, 1];
    case 9:
      return [`${small(random)} ${small(random)} KECCAK256`, 1];
    case 10:
      return [`${small(random)} ${small(random)} ${small(random)} MCOPY`, 0];
    case 11: {
      const copy = random.pick(["CALLDATACOPY", "CODECOPY", "RETURNDATACOPY"]);
      const length =
        copy === "RETURNDATACOPY" ? "RETURNDATASIZE 0" : `${small(random)} ${small(random)}`;
      return [`${length} ${small(random)} ${copy}`, 0];
    }
    case 12:
      return [`${small(random)} 0 0 ${address()} EXTCODECOPY`, 0];
    case 13: {
      const topics = random.below(5);
      if (height < topics) return ["NUMBER", 1];
      return [`${small(random)} ${small(random)} LOG${topics}`, -topics];
    }
    case 14:
    case 15: {
      const kind = random.pick(["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"]);
      const value = kind === "CALL" || kind === "CALLCODE" ? String(random.below(3)) : "";
      const memory = `${small(random)} ${small(random)} ${small(random)} ${small(random)}`;
      return [`${memory} ${value} ${address()} ${gas()} ${kind}`, 1];
    }
    case 16: {
      const create = `${random.below(40)} 0 ${random.below(2)}`;
      return [random.oneIn(2) ? `${create} CREATE` : `${random.below(3)} ${create} CREATE2`, 1];
    }
    case 17:
      return [`${address()} ${random.pick(["BALANCE", "EXTCODESIZE", "EXTCODEHASH"])}`, 1];
    case 18:
      return [`${random.below(300)} NUMBER SUB BLOCKHASH`, 1];
    case 19:
      return far(random, address());
    case 20:
      if (height < 17) return ["CODESIZE", 1];
      return random.oneIn(2) ? ["DUP16", 1] : ["SWAP16", 0];
    default: {
      const takes = random.below(4);
      if (height < takes) return [word(), 1];
      return [random.pick(OPERATIONS[takes] ?? []), 1 - takes];
    }
  }
}

const ENDS = ["STOP", "STOP", "64 0 RETURN", "32 0 REVERT", "INVALID", "CALLER SELFDESTRUCT"];
const STACK_MAX = 60;

/** Runtime code of at most `steps` steps. */
export function someProgram(random: Random, steps: number): Hex {
  const parts: string[] = [];
  let height = 0;
  for (let i = 0; i < steps; i++) {
    const [code, change] = height > STACK_MAX ? ["POP", -1] : step(random, height);
    parts.push(code);
    height += change;
  }
  // What is left shows in a log: words and gas.
  parts.push("GAS 0x300 MSTORE");
  for (let i = 0; i < Math.min(height, 4); i++) parts.push(`${0x320 + 32 * i} MSTORE`);
  parts.push("0xa0 0x300 LOG0", random.pick(ENDS));
  return assemble(parts.join(" "));
}
