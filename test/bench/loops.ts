/**
 * Worst-case transactions: loops that do one thing until 16,777,216 gas are gone.
 *
 * Owns the programs and where they stand in the state. All but one end out of gas, so that their
 * gas is exact and nothing of them stays; `sstore-new` stops in time, so that its slots stay.
 */
import { bigintToBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { assemble } from "../parity/assembler.ts";
import { ADDRESS_FACTOR } from "./accounts.ts";
import type { AllocEntry } from "./state.ts";

/** PROTOCOL 6: gas of one transaction. */
export const HEAVY_GAS = 16_777_216n;

export interface Loop {
  readonly name: string;
  readonly address: Hex;
  /** 1 where it stops in time. */
  readonly status: 0 | 1;
  /**
   * How much the offset in its calldata goes on from one call to the next, so that reads are cold.
   */
  readonly stride: number;
}

const HEX_32_MAX = (1n << 256n) - 1n;
const PRIME = HEX_32_MAX - 188n;
/** Gas that is left when the loop that stays within its gas ends. */
const GAS_LEFT = 30_000;

/** Calls of it succeed and do nothing. */
export const SINK: Hex = loopAddress(0);

const repeated = (body: string, times: number): string => Array(times).fill(body).join(" ");

/** Prologue, then the body again and again. */
function endless(prologue: string, body: string): string {
  return `${prologue} JUMPDEST ${body} ${sizeOf(prologue)} JUMP`;
}

/** Prologue, then the body while there is gas. */
function whileGas(prologue: string, body: string): string {
  return `${prologue} JUMPDEST ${body} GAS ${GAS_LEFT} LT ${sizeOf(prologue)} JUMPI STOP`;
}

function sizeOf(program: string): number {
  return program === "" ? 0 : (assemble(program).length - 2) / 2;
}

/** The loop whose contract has slots. */
const COLD_READS = "sload-cold";
const OFFSET = "0 CALLDATALOAD";

const PROGRAMS: readonly (readonly [name: string, program: string, stride?: number])[] = [
  ["jump", endless("", "")],
  ["keccak256", endless("1 0 MSTORE", "0x20 0 KECCAK256 POP")],
  [
    "mulmod",
    endless(`${PRIME} ${HEX_32_MAX} ${HEX_32_MAX - 1n}`, repeated("DUP3 DUP3 DUP3 MULMOD POP", 8)),
  ],
  ["exp", endless(`${HEX_32_MAX} ${HEX_32_MAX - 2n}`, "DUP2 DUP2 EXP POP")],
  [COLD_READS, endless(OFFSET, "DUP1 SLOAD POP 1 ADD"), 7_900],
  ["balance-cold", endless(OFFSET, `DUP1 ${ADDRESS_FACTOR} MUL BALANCE POP 1 ADD`), 6_420],
  ["sstore-new", whileGas(OFFSET, "CALLER DUP2 SSTORE 1 ADD"), 760],
  ["sstore-dirty", endless("", "GAS 0 SSTORE")],
  ["call", endless("", `0 0 0 0 0 ${SINK} GAS CALL POP`)],
  ["memory-copy", endless("", "0x8000 0 0x20 MCOPY")],
];

export const LOOPS: readonly Loop[] = PROGRAMS.map(([name, , stride = 0], index) => ({
  name,
  address: loopAddress(index + 1),
  status: name === "sstore-new" ? 1 : 0,
  stride,
}));

function loopAddress(index: number): Hex {
  return `0xbe${(0x1000 + index).toString(16).padStart(38, "0")}`;
}

/** Calldata of a loop's call with this number. */
export function loopData({ stride }: Loop, call: number): Uint8Array {
  return bigintToBytes(BigInt(call * stride), 32);
}

/**
 * The loops in the state, those of `wanted` or all; the one of cold reads finds `slots` slots
 * written.
 */
export function loopEntries(slots: number, wanted: ReadonlySet<Hex> | null = null): AllocEntry[] {
  const isWanted = ({ address }: { readonly address: Hex }): boolean =>
    wanted === null || wanted.has(address);
  const codeOf = (program: string): Uint8Array => fromHex(assemble(program));
  const sink = { address: SINK, nonce: 1n, code: codeOf("STOP") };
  const loops = LOOPS.filter(isWanted).map(({ name, address }): AllocEntry => {
    const [, program] = PROGRAMS.find(([each]) => each === name) ?? ["", ""];
    const storage = name === COLD_READS ? { storage: writtenSlots(slots) } : {};
    return { address, nonce: 1n, code: codeOf(program), ...storage };
  });
  return [...[sink].filter(isWanted), ...loops];
}

function writtenSlots(count: number): Map<Hex, bigint> {
  return new Map(
    Array.from({ length: count }, (_, slot) => [
      toHex(bigintToBytes(BigInt(slot), 32)),
      BigInt(slot + 1),
    ]),
  );
}
