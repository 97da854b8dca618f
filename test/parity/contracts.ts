/**
 * Contracts of the parity chain's genesis. Each shows what it saw in logs, so that a receipt is a
 * complete account of the execution: results, and the gas left at that point.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { assemble } from "./assembler.ts";

/** Logs success, hash and length of the returned data and the gas left: after a call's flag. */
const REPORT = `
  RETURNDATASIZE 0 0 RETURNDATACOPY
  RETURNDATASIZE 0 KECCAK256 RETURNDATASIZE GAS 0 0 LOG4 STOP`;

/** Calldata: gas, address, value, input. With the flag of the call on the stack, then reports. */
const INPUT = "0x60 CALLDATASIZE SUB 0x60 0 CALLDATACOPY 0 0 0x60 CALLDATASIZE SUB 0";
const TARGET = "0x20 CALLDATALOAD 0 CALLDATALOAD";

/** A loop over calldata in steps of two words; the offset is on the stack within. */
function eachPair(body: string): string {
  // 0: PUSH0; 1: JUMPDEST; at the end back to 1 while the offset is below the calldata's size.
  return `0 JUMPDEST ${body} 0x40 ADD CALLDATASIZE DUP2 LT 1 JUMPI STOP`;
}

const PROGRAMS = {
  call: `${INPUT} 0x40 CALLDATALOAD ${TARGET} CALL ${REPORT}`,
  callcode: `${INPUT} 0x40 CALLDATALOAD ${TARGET} CALLCODE ${REPORT}`,
  delegatecall: `${INPUT} ${TARGET} DELEGATECALL ${REPORT}`,
  staticcall: `${INPUT} ${TARGET} STATICCALL ${REPORT}`,
  /** Gas, address, length: calls with that many zeros. */
  zeros: `0 0 0x40 CALLDATALOAD 0 ${TARGET} STATICCALL ${REPORT}`,
  /** Pairs of slot and value. */
  store: eachPair("DUP1 0x20 ADD CALLDATALOAD DUP2 CALLDATALOAD SSTORE"),
  /** Pairs of slot and value, kept for the transaction; logs what was there, and the gas. */
  transient: eachPair(
    `DUP1 CALLDATALOAD TLOAD GAS 0 0 LOG2
     DUP1 0x20 ADD CALLDATALOAD DUP2 CALLDATALOAD TSTORE`,
  ),
  /** Logs the slots of the first words of each pair, and the gas after each. */
  load: eachPair("DUP1 CALLDATALOAD SLOAD GAS 0 0 LOG2"),
  /** Deploys the calldata after the first word, CREATE2 with it as salt if it is not zero. */
  factory: `
    0x20 CALLDATASIZE SUB 0x20 0 CALLDATACOPY
    0 CALLDATALOAD DUP1 ISZERO 0x19 JUMPI
    0x20 CALLDATASIZE SUB 0 SELFBALANCE CREATE2 :6022 JUMP
    :5b POP 0x20 CALLDATASIZE SUB 0 0 CREATE
    :5b ${REPORT}`,
  environment: `
    BASEFEE 0 MSTORE COINBASE 0x20 MSTORE CHAINID 0x40 MSTORE TIMESTAMP 0x60 MSTORE
    NUMBER 0x80 MSTORE PREVRANDAO 0xa0 MSTORE GASLIMIT 0xc0 MSTORE BLOBBASEFEE 0xe0 MSTORE
    GASPRICE 0x100 MSTORE ORIGIN 0x120 MSTORE CALLER 0x140 MSTORE CALLVALUE 0x160 MSTORE
    SELFBALANCE 0x180 MSTORE 0 BLOBHASH 0x1a0 MSTORE ADDRESS 0x1c0 MSTORE
    CALLER BALANCE 0x1e0 MSTORE CALLER EXTCODEHASH 0x200 MSTORE CALLER EXTCODESIZE 0x220 MSTORE
    0 CALLDATALOAD NUMBER SUB BLOCKHASH 0x240 MSTORE
    COINBASE BALANCE 0x260 MSTORE
    GAS 0x280 0 LOG1 STOP`,
  reverter: "0xdead 0 MSTORE 0x20 0 LOG0 1 1 SSTORE 0x20 0 REVERT",
  looper: "JUMPDEST 0 JUMP",
  invalid: "INVALID",
  /** To the address in the first word. */
  destructor: "0 CALLDATALOAD SELFDESTRUCT",
  /** Calls itself with all gas and reports each level, down to where gas ends. */
  recursive: `0 0 0 0 0 ADDRESS GAS CALL GAS 0 0 LOG2 STOP`,
  /**
   * Transient and lasting storage across calls of itself: counts down from the first word, writes,
   * calls itself, and reverts at every third level; each level logs what it finds afterwards.
   */
  selfcall: `
    0 TLOAD 1 ADD 0 TSTORE 0 SLOAD 1 ADD 0 SSTORE
    0 CALLDATALOAD DUP1 ISZERO 0x39 JUMPI
    1 DUP2 SUB 0 MSTORE
    0 0 0x20 0 0 ADDRESS GAS CALL
    0 TLOAD 0 SLOAD GAS 0 0 LOG4
    3 DUP2 MOD ISZERO 0x35 JUMPI STOP
    :5b 0 0 REVERT
    :5b STOP`,
  /** Takes value without a word. */
  sink: "STOP",
  /** Returns as much memory as the first word says. */
  returner: "0 CALLDATALOAD 0 RETURN",
} as const;

export type ContractName = keyof typeof PROGRAMS;

export const CONTRACT_NAMES = Object.keys(PROGRAMS) as ContractName[];

/** Address of a contract in the genesis. */
export function addressOfContract(name: ContractName): Hex {
  const index = CONTRACT_NAMES.indexOf(name) + 1;
  return `0xc0de${index.toString(16).padStart(36, "0")}`;
}

/** Runtime code of a contract. */
export function codeOfContract(name: ContractName): Hex {
  return assemble(PROGRAMS[name]);
}

/** Alloc entries of all contracts. */
export function contractAlloc(): Record<Hex, { nonce: number; code: Hex; balance: string }> {
  return Object.fromEntries(
    CONTRACT_NAMES.map((name) => [
      addressOfContract(name),
      { nonce: 1, code: codeOfContract(name), balance: "1000000" },
    ]),
  );
}
