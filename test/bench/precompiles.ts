/**
 * Time per gas of every precompile at its worst inputs, beside that of plain opcodes: none may cost
 * more than twice what the slowest opcode does. Milliseconds per million gas, medians.
 *
 * A precompile is called directly, and the 100 gas of a warm CALL, without which nobody gets to it,
 * are counted with its own; what the CALL itself takes is among the opcodes.
 * Runs as a program: `node dist/test/bench/precompiles.js`, with the beginning of names to measure.
 */
import { fileURLToPath } from "node:url";
import { fromHex, type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { addressOf, createMachine } from "../../node/execution/embedded/evm.ts";
import { createWorkingState } from "../../node/execution/embedded/state.ts";
import { createMemoryState } from "../execution/fixtures/state.ts";
import { assemble } from "../parity/assembler.ts";
import { runPrecompile } from "../execution/fixtures/precompiles.ts";
import { WORST_INPUTS } from "./precompile-inputs.ts";

export interface Row {
  readonly name: string;
  /** Of one call. */
  readonly gas: number;
  readonly msPerMgas: number;
}

const RUNS = 5;
/** A run repeats a call until it is as long as this. */
const RUN_MS = 20;
const REPEATS_MAX = 20_000;
const WARM_CALL_GAS = 100;
const OPCODE_GAS = 2_000_000n;
const PROGRAM: Hex = "0xc000000000000000000000000000000000000001";

const ONES = `0x${"ff".repeat(32)}`;

/** What is pushed first, what is repeated, how often in a loop. Those that came out slowest. */
const LOOPS: readonly (readonly [name: string, before: string, body: string, times: number])[] = [
  ["JUMP", "", "PC POP", 1],
  ["JUMPDEST", "", "JUMPDEST", 2000],
  ["NOT", "0", "NOT", 1000],
  ["MULMOD", ONES, "DUP1 DUP1 DUP1 MULMOD POP", 400],
  ["EXP", `${ONES} 255`, "DUP2 DUP2 EXP POP", 300],
  ["KECCAK256 of nothing", "", "0 0 KECCAK256 POP", 300],
  ["KECCAK256 of 136 bytes", "", "136 0 KECCAK256 POP", 300],
  ["MLOAD", "", "0 MLOAD POP", 400],
  ["MSTORE", ONES, "DUP1 0 MSTORE", 400],
  ["COINBASE", "", "COINBASE POP", 500],
  ["CALLDATACOPY", "", "32 0 0 CALLDATACOPY", 400],
  ["CODECOPY", "", "20000 0 0 CODECOPY", 100],
  ["SLOAD, warm", "", "0 SLOAD POP", 400],
  ["SLOAD, cold", "", "GAS SLOAD POP", 400],
  ["SSTORE, warm", "", "GAS 0 SSTORE", 400],
  ["BALANCE, cold", "", "GAS BALANCE POP", 400],
  ["LOG0", "", "0 0 LOG0", 400],
  ["CALL", "", "0 0 0 0 0 4660 GAS CALL POP", 200],
  ["STATICCALL of 0x04", "", "0 0 0 0 4 GAS STATICCALL POP", 200],
];

/** Time of the processor, which other processes on the machine do not stretch. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** A program that loops until its gas is gone. */
function loop(before: string, body: string, times: number): Hex {
  const start = assemble(before);
  const target = ((start.length - 2) / 2).toString(16).padStart(4, "0");
  const repeated = assemble(Array<string>(times).fill(body).join(" ")).slice(2);
  return `${start}5b${repeated}61${target}56`;
}

async function measureOpcode(program: Hex): Promise<number> {
  const samples: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const state = createWorkingState(createMemoryState().state);
    state.setCode(PROGRAM, fromHex(program));
    const machine = await createMachine(901, state, {
      number: 1,
      timestamp: 1,
      gasLimit: OPCODE_GAS,
      baseFee: 0n,
      blobBaseFee: 1n,
      beneficiary: `0x${"11".repeat(20)}`,
      prevRandao: ZERO_HASH,
      parentHash: ZERO_HASH,
    });
    state.beginTransaction();
    const start = cpuMs();
    await machine.evm.runCall({
      to: addressOf(PROGRAM),
      gasLimit: OPCODE_GAS,
      block: machine.block,
    });
    samples.push(cpuMs() - start);
  }
  return (median(samples) / Number(OPCODE_GAS)) * 1e6;
}

/** Milliseconds of one call. */
function measureCall(call: () => void): number {
  call();
  const start = cpuMs();
  call();
  const once = Math.max(cpuMs() - start, 1e-3);
  const repeats = Math.min(REPEATS_MAX, Math.max(1, Math.floor(RUN_MS / once)));
  const samples: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = cpuMs();
    for (let i = 0; i < repeats; i++) call();
    samples.push((cpuMs() - start) / repeats);
  }
  return median(samples);
}

/** Measures what begins with `start`: "opcode", "0x", or a longer part of a name. */
export async function benchPrecompiles(start = ""): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [opcode, before, body, times] of LOOPS) {
    const name = `opcode ${opcode}`;
    if (!name.startsWith(start)) continue;
    const msPerMgas = await measureOpcode(loop(before, body, times));
    rows.push({ name, gas: Number(OPCODE_GAS), msPerMgas });
  }
  for (const { address, title, input, priced = input } of WORST_INPUTS) {
    const name = `0x${address.toString(16).padStart(2, "0")} ${title}`;
    if (!name.startsWith(start)) continue;
    const data = input();
    const gas = WARM_CALL_GAS + Number(runPrecompile(address, priced()).executionGasUsed);
    const ms = measureCall(() => runPrecompile(address, data));
    rows.push({ name, gas, msPerMgas: (ms / gas) * 1e6 });
  }
  return rows;
}

async function main(): Promise<void> {
  const rows = await benchPrecompiles(process.argv[2]);
  for (const { name, gas, msPerMgas } of rows)
    console.log(
      `${name.padEnd(60)} ${String(gas).padStart(10)} ${msPerMgas.toFixed(1).padStart(8)}`,
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
