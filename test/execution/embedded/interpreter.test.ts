/**
 * The loop against the library's own, on random programs: same result, gas, logs and error; and
 * what a poll throws ends it, wherever it stands.
 */
import { createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM, type EVM } from "@ethereumjs/evm";
import { Address } from "@ethereumjs/util";
import fc from "fast-check";
import t, { type Test } from "tap";
import { fromHex, toHex } from "../../../lanes/bytes.ts";
import { createMachine } from "../../../node/execution/embedded/evm.ts";
import { runCallsWith } from "../../../node/execution/embedded/frames.ts";
import { StateJournal } from "../../../node/execution/embedded/journal.ts";
import { ISTHMUS } from "../../../node/execution/embedded/rules.ts";
import { NEVER, type Poll } from "../../../node/execution/poll.ts";
import { createWorkingState } from "../../../node/execution/embedded/state.ts";
import { createStateManager } from "../../../node/execution/embedded/state-manager.ts";
import { createRandom } from "../../parity/random.ts";
import { someProgram } from "../../parity/programs.ts";
import { SOME_BLOCK } from "../fixtures/block-context.ts";
import { createMemoryState } from "../fixtures/state.ts";

const SELF = new Address(new Uint8Array(20).fill(0xc0));
const CALLER = new Address(new Uint8Array(20).fill(0xca));

const emptyState = createWorkingState(createMemoryState().state);
const { block } = await createMachine(901, emptyState, SOME_BLOCK);

/** An EVM on empty state; with `poll` it runs our frames and loop, on our journal. */
async function openEvm(poll: Poll | null): Promise<EVM> {
  const state = createWorkingState(createMemoryState().state);
  const evm = await createEVM({
    common: createCustomCommon({ chainId: 901 }, Mainnet, { hardfork: Hardfork.Prague }),
    stateManager: createStateManager(state),
    customPrecompiles: [...ISTHMUS.precompiles(NEVER)],
  });
  if (poll === null) return evm;
  const journal = new StateJournal(state);
  evm.journal = journal as unknown as EVM["journal"];
  runCallsWith(evm, state, journal, poll, null);
  return evm;
}

interface Program {
  readonly code: Uint8Array;
  readonly data: Uint8Array;
  readonly gasLimit: bigint;
}

/** Everything an execution shows, in a form that compares. */
async function outcome(evm: EVM, { code, data, gasLimit }: Program): Promise<unknown> {
  const to = SELF;
  await evm.stateManager.putCode(to, code);
  const { execResult } = await evm.runCall({
    block,
    caller: CALLER,
    to,
    data,
    gasLimit,
    value: 0n,
  });
  evm.journal.cleanJournal();
  const { executionGasUsed, exceptionError, returnValue, gasRefund, logs } = execResult;
  return {
    gas: executionGasUsed,
    error: exceptionError?.error ?? null,
    output: toHex(returnValue),
    refund: gasRefund ?? 0n,
    logs: (logs ?? []).map(([at, topics, bytes]) => [toHex(at), topics.map(toHex), toHex(bytes)]),
  };
}

async function bothEqual(t: Test, program: Program): Promise<void> {
  const [ours, library] = await Promise.all([openEvm(NEVER), openEvm(null)]);
  t.same(await outcome(ours, program), await outcome(library, program), toHex(program.code));
}

t.test("random programs end as in the library's loop", async (t) => {
  for (let seed = 0; seed < 300; seed++) {
    const random = createRandom(seed);
    const code = fromHex(someProgram(random, 40));
    const gasLimit = BigInt(random.oneIn(3) ? random.below(30_000) : 1_000_000);
    await bothEqual(t, { code, data: random.bytes(64), gasLimit });
  }
});

t.test("random bytes end as in the library's loop", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 80 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 0, max: 200_000 }),
      async (code, data, gas) => {
        await bothEqual(t, { code, data, gasLimit: BigInt(gas) });
      },
    ),
    { numRuns: 500 },
  );
});

t.test("gas ends at the very opcode, and constants cut off by the end read as zeros", async (t) => {
  const cut = Uint8Array.of(0x61, 0xff);
  const jumps = Uint8Array.of(0x5b, 0x60, 0x00, 0x56);
  const memory = Uint8Array.of(0x60, 0x01, 0x60, 0x00, 0x52, 0x60, 0x00, 0x51, 0x00);
  const gas = Uint8Array.of(0x5a, 0x5a, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3);
  const intoPush = Uint8Array.of(0x60, 0x04, 0x56, 0x60, 0x5b, 0x00);
  for (const code of [cut, jumps, memory, gas, intoPush])
    for (let gasLimit = 0n; gasLimit < 40n; gasLimit++)
      await bothEqual(t, { code, data: new Uint8Array(0), gasLimit });
});

t.test("what the poll throws passes through, at any of its calls", async (t) => {
  const loop = Uint8Array.of(0x5b, 0x60, 0x00, 0x56);
  const program = { code: loop, data: new Uint8Array(0), gasLimit: 5_000_000n };
  for (const last of [1, 2, 17]) {
    let calls = 0;
    const stop = new Error("stop");
    const evm = await openEvm(() => {
      if (++calls === last) throw stop;
    });
    await t.rejects(outcome(evm, program), stop);
    t.equal(calls, last);
  }
});

t.test("an endless loop polls all the time", async (t) => {
  let calls = 0;
  const evm = await openEvm(() => {
    calls++;
  });
  const code = Uint8Array.of(0x5b, 0x60, 0x00, 0x56);
  await outcome(evm, { code, data: new Uint8Array(0), gasLimit: 1_200_000n });
  // 12 gas and 3 opcodes a round.
  t.ok(calls >= 300_000 / 256 - 1, `${calls} polls in 300,000 opcodes`);
});
