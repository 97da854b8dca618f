/** EVM assembly, just enough for the test contracts: mnemonics, and numbers or hex as pushes. */
import { type Hex, toHex } from "../../lanes/bytes.ts";

/** Mnemonics from an opcode on; a dot is an unassigned one. */
const TABLE: readonly (readonly [first: number, names: string])[] = [
  [0x00, "STOP ADD MUL SUB DIV SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND"],
  [0x10, "LT GT SLT SGT EQ ISZERO AND OR XOR NOT BYTE SHL SHR SAR"],
  [0x20, "KECCAK256"],
  [0x30, "ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY"],
  [0x38, "CODESIZE CODECOPY GASPRICE EXTCODESIZE EXTCODECOPY RETURNDATASIZE RETURNDATACOPY"],
  [0x3f, "EXTCODEHASH BLOCKHASH COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID"],
  [0x47, "SELFBALANCE BASEFEE BLOBHASH BLOBBASEFEE"],
  [0x50, "POP MLOAD MSTORE MSTORE8 SLOAD SSTORE JUMP JUMPI PC MSIZE GAS JUMPDEST TLOAD TSTORE"],
  [0x5e, "MCOPY PUSH0"],
  [0x80, "DUP1 DUP2 DUP3 DUP4 DUP5 DUP6 DUP7 DUP8"],
  [0x88, "DUP9 DUP10 DUP11 DUP12 DUP13 DUP14 DUP15 DUP16"],
  [0x90, "SWAP1 SWAP2 SWAP3 SWAP4 SWAP5 SWAP6 SWAP7 SWAP8"],
  [0x98, "SWAP9 SWAP10 SWAP11 SWAP12 SWAP13 SWAP14 SWAP15 SWAP16"],
  [0xa0, "LOG0 LOG1 LOG2 LOG3 LOG4"],
  [0xf0, "CREATE CALL CALLCODE RETURN DELEGATECALL CREATE2"],
  [0xfa, "STATICCALL"],
  [0xfd, "REVERT INVALID SELFDESTRUCT"],
];

const OPCODES = new Map(
  TABLE.flatMap(([first, names]) =>
    names.split(" ").map((name, index) => [name, first + index] as const),
  ),
);

/** The shortest push of a number. */
export function push(value: bigint): string {
  if (value === 0n) return "5f";
  const digits = value.toString(16);
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  return (0x5f + even.length / 2).toString(16) + even;
}

/** Bytecode of a program: mnemonics, numbers (pushed), and `:` with raw hex, between blanks. */
export function assemble(program: string): Hex {
  const parts = program
    .trim()
    .split(/\s+/)
    .map((word) => {
      const opcode = OPCODES.get(word);
      if (opcode !== undefined) return opcode.toString(16).padStart(2, "0");
      return word.startsWith(":") ? word.slice(1) : push(BigInt(word));
    });
  return `0x${parts.join("")}`;
}

/** A program that puts bytes into memory from 0 on, and zeros up to the next word. */
export function pushBytes(bytes: Uint8Array): string {
  const words = Array.from({ length: Math.ceil(bytes.length / 32) }, (_, index) => {
    const word = toHex(bytes.subarray(32 * index, 32 * index + 32)).slice(2);
    return `:7f${word.padEnd(64, "0")} ${32 * index} MSTORE`;
  });
  return words.join(" ");
}

/** Init code that deploys the runtime code. */
export function deploying(runtime: Hex): Hex {
  const length = (runtime.length - 2) / 2;
  // PUSH2 length, PUSH1 12, PUSH0, CODECOPY, PUSH2 length, PUSH0, RETURN
  const size = length.toString(16).padStart(4, "0");
  return `0x61${size}600c5f3961${size}5ff3${runtime.slice(2)}`;
}
