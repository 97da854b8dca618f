/** Call traces against anvil's (revm) call tracer, and geth's rules where anvil does not follow. */
import t, { type Test } from "tap";
import { createTestClient, http, publicActions, walletActions } from "viem";
import { type Hex, toHex } from "../../../lanes/bytes.ts";
import { NEVER } from "../../../node/execution/poll.ts";
import { traceTransactions } from "../../../node/execution/embedded/replay.ts";
import { traceCall } from "../../../node/execution/embedded/call.ts";
import { SEQUENCER_FEE_VAULT } from "../../../node/primitives/predeploys.ts";
import type { CallFrame, TransactionTrace } from "../../../node/execution/trace.ts";
import type { Transaction } from "../../../node/primitives/transaction.ts";
import { openChainReader } from "../../../node/storage/chain-reader.ts";
import { frameToJson } from "../../../rpc/trace.ts";
import { assemble } from "../../parity/assembler.ts";
import { startAnvil } from "../fixtures/anvil.ts";
import { makeRequest, simulationOn } from "../fixtures/call.ts";
import {
  ALICE,
  attributes,
  BOB,
  CONTRACTS,
  createChain,
  deposit,
  ETHER,
  lower,
  makeConfig,
  POOR,
  sign,
  words,
} from "../fixtures/chain.ts";
import { createStoredChain, type StoredChain } from "../fixtures/stored-chain.ts";

const at = (name: keyof typeof CONTRACTS): string => CONTRACTS[name].address;
const program = (index: number): Hex => `0xc0000000000000000000000000000000000000${index}`;
const BOB_ADDRESS = lower(BOB.address);

/** Calls with the first word of memory as input, and forgets how it went. */
const call = (to: string, value = 0, gas = "GAS"): string =>
  `0 32 32 0 ${value} ${to} ${gas} CALL POP`;
const CALLS = program(40);
const INNER = program(41);
const FAILING = program(42);
const CREATES = program(43);
const FAILS = program(44);
const DEEP = program(45);
const BALANCE = program(46);

/** `RETURN` of the byte 0x2a as code, and `REVERT` with a byte. */
const [DEPLOYS, REVERTS] = ["0x602a60005360016000f3", "0x60016000fd"];
const PROGRAMS: Readonly<Record<Hex, string>> = {
  [CALLS]: `42 0 MSTORE ${call(at("logger"))} 0 0 LOG0 ${call(INNER)} 7 32 0 LOG1
    0 32 32 0 ${at("reverter")} GAS STATICCALL POP
    0 0 64 0 ${at("store")} GAS DELEGATECALL POP
    0 0 32 0 1 ${at("logger")} GAS CALLCODE POP
    ${call(at("looper"), 0, "5000")} ${call(BOB_ADDRESS, 3)} ${call(FAILING)}
    ${call(at("destructor"), 1)} ${call("2")} ${call("2", 0, "10")} ${call("0x1234567890")}
    9 8 0 0 LOG2 32 0 RETURN`,
  [INNER]: `${call(at("logger"))} 32 0 LOG0 STOP`,
  [FAILING]: `32 0 LOG0 ${call(at("logger"))} 0 0 REVERT`,
  [CREATES]: `${DEPLOYS} 0 MSTORE 10 22 1 CREATE POP 5 10 22 1 CREATE2 POP
    ${REVERTS} 0 MSTORE 5 27 0 CREATE POP
    10 22 1000000 CREATE POP 10 22 0 1000000 CREATE2 POP ${call(BOB_ADDRESS, 1_000_000)} STOP`,
  [FAILS]: `${DEPLOYS} 0 MSTORE 5 10 22 0 CREATE2 POP 5 10 22 0 CREATE2 POP STOP`,
  // Calls itself until the depth is used up, with all gas but the 64th.
  [DEEP]: `0 0 0 0 0 ADDRESS GAS CALL STOP`,
  [BALANCE]: `CALLER BALANCE DUP1 0 SSTORE 0 MSTORE 32 0 RETURN`,
};
const ALLOC = Object.fromEntries(
  Object.entries(PROGRAMS).map(([address, source]) => [
    address,
    { nonce: 1, balance: "100", code: assemble(source) },
  ]),
);

type Json = Record<string, unknown>;

/** Traces of the chain's newest block. */
async function tracesOf(
  chain: StoredChain,
  dataDir: string,
  options: Partial<Parameters<typeof traceTransactions>[0]["trace"]> = {},
  [first, end]: readonly [number?, number?] = [],
): Promise<readonly TransactionTrace[]> {
  const reader = await openChainReader(dataDir);
  const snapshot = reader.snapshot();
  try {
    const { number } = chain.head().header;
    const { block } = snapshot.blockByNumber(number)!;
    return await traceTransactions(
      {
        rollup: chain.rollup,
        state: snapshot.stateAt(number - 1).state,
        parent: snapshot.headerByNumber(number - 1)!,
        block,
        receipts: snapshot.receipts(number)!,
        trace: { onlyTopCall: false, withLog: true, bytesMax: 1_000_000, ...options },
        poll: NEVER,
      },
      first ?? 0,
      end ?? block.transactions.length,
    );
  } finally {
    await snapshot.release();
    await reader.close();
  }
}

async function traceOne(
  t: Test,
  transaction: Transaction,
  options: Partial<Parameters<typeof traceTransactions>[0]["trace"]> = {},
): Promise<CallFrame> {
  const dataDir = t.testdir();
  const chain = await createStoredChain(dataDir, { rollup: makeConfig({ alloc: ALLOC }) });
  try {
    await chain.block([transaction]);
    const [trace] = await tracesOf(chain, dataDir, options);
    return trace!.frame;
  } finally {
    await chain.close();
  }
}

/** anvil gives the top call what is left after the intrinsic gas, and counts reverted logs. */
function comparable(frame: Json, top = true): Json {
  const { gas, gasUsed, calls = [], logs = [], ...rest } = frame;
  return {
    ...rest,
    ...(top ? {} : { gas, gasUsed }),
    calls: (calls as Json[]).map((each) => comparable(each, false)),
    logs: (logs as Json[]).map(({ address, topics, data, position }) => ({
      address,
      topics,
      data,
      position,
    })),
  };
}

t.test("calls are those that another client sees", async (t) => {
  const url = await startAnvil((stop) => {
    t.teardown(stop);
  });
  const client = createTestClient({ mode: "anvil", transport: http(url) })
    .extend(publicActions)
    .extend(walletActions);
  for (const { address } of [ALICE, BOB])
    await client.setBalance({ address, value: 1000n * ETHER });
  for (const { address, code } of Object.values(CONTRACTS)) {
    await client.setCode({ address, bytecode: code as Hex });
    await client.setNonce({ address, nonce: 1 });
  }
  for (const [address, { code }] of Object.entries(ALLOC) as [Hex, { code: Hex }][]) {
    await client.setCode({ address, bytecode: code });
    await client.setNonce({ address, nonce: 1 });
    await client.setBalance({ address, value: 100n });
  }
  await client.setCoinbase({ address: SEQUENCER_FEE_VAULT });
  const dataDir = t.testdir();
  const chain = await createStoredChain(dataDir, { rollup: makeConfig({ alloc: ALLOC }) });
  const data = words(1n, 2n);
  const cases = [
    { to: CALLS, value: 10n, data },
    { to: CREATES, value: 10n },
    { to: FAILS, gas: 300_000n },
    { to: CONTRACTS.reverter.address, data: "0x1234" },
    { to: CONTRACTS.looper.address, gas: 50_000n },
    { to: BOB_ADDRESS, value: 7n },
    { to: null, data: `0x${DEPLOYS.slice(2)}`, value: 1n },
    { to: null, data: `0x${REVERTS.slice(2)}` },
  ] as const;
  let frames = 0;
  for (const [nonce, fields] of cases.entries()) {
    const transaction = await sign(ALICE, { gas: 2_000_000n, nonce, ...fields });
    await chain.block([transaction]);
    const [trace] = await tracesOf(chain, dataDir);
    const ours = frameToJson(trace!.frame);
    const serializedTransaction = toHex(transaction.raw);
    const hash = await client.sendRawTransaction({ serializedTransaction });
    const { gasUsed } = await client.waitForTransactionReceipt({ hash, pollingInterval: 5 });
    const theirs: unknown = await client.request({
      method: "debug_traceTransaction",
      params: [hash, { tracer: "callTracer", tracerConfig: { withLog: true } }],
    } as never);
    // A name of revm's, where geth's is a sentence.
    const text = JSON.stringify(theirs).replace("CreateCollision", "contract address collision");
    t.strictSame(comparable(ours), comparable(JSON.parse(text) as Json), `case ${nonce}`);
    t.equal(ours["gas"], `0x${transaction.gasLimit.toString(16)}`, "all the gas, as in geth");
    t.equal(ours["gasUsed"], `0x${gasUsed.toString(16)}`, "as in the receipt");
    frames += JSON.stringify(ours).split('"type"').length;
  }
  t.ok(frames > 30, `${frames} frames`);
  await chain.close();
});

t.test("places of logs in the block are given back by frames that fail", async (t) => {
  const dataDir = t.testdir();
  const chain = await createStoredChain(dataDir, { rollup: makeConfig({ alloc: ALLOC }) });
  const input = { gas: 2_000_000n, data: words(1n, 2n) };
  const { receipts } = await chain.block([
    await sign(ALICE, { ...input, nonce: 0, to: CALLS, value: 10n }),
    await sign(ALICE, { ...input, nonce: 1, to: INNER }),
  ]);
  const traces = await tracesOf(chain, dataDir);
  const collect = (frame: CallFrame): CallFrame["logs"][number][] => [
    ...frame.logs,
    ...frame.calls.flatMap(collect),
  ];
  const logs = traces.flatMap(({ frame }) => collect(frame)).sort((a, b) => a.index - b.index);
  t.same(
    logs.map(({ index, address, topics, data }) => ({ index, address, topics, data })),
    receipts.flatMap((receipt) => receipt.logs).map((log, index) => ({ index, ...log })),
  );
  const plain = await tracesOf(chain, dataDir, { withLog: false });
  t.same(
    plain.flatMap(({ frame }) => collect(frame)),
    [],
  );
  const top = await tracesOf(chain, dataDir, { onlyTopCall: true });
  t.same(
    top.map(({ frame }) => frame.calls),
    [[], []],
  );
  t.same(
    top.map(({ frame }) => frame.logs),
    traces.map(({ frame }) => frame.logs.map((log) => ({ ...log, position: 0 }))),
    "as geth: no calls to stand among",
  );
  const second = await tracesOf(chain, dataDir, {}, [1, 2]);
  t.same(second, traces.slice(1), "one transaction alone is as it is in the block");
  await chain.close();
});

t.test("a call too deep is one that failed", async (t) => {
  const gas = 30_000_000n;
  const frame = await traceOne(t, await sign(ALICE, { to: DEEP, gas }), { bytesMax: 10_000_000 });
  let depth = 0;
  let deepest = frame;
  while (deepest.calls[0] !== undefined) {
    deepest = deepest.calls[0];
    depth += 1;
  }
  t.match(deepest, { error: "out of gas", calls: [] });
  t.ok(depth > 100, `${depth} deep`);
  const chain = createChain(makeConfig({ alloc: ALLOC, gasLimit: "10000000000" }));
  const trace = { onlyTopCall: false, withLog: false, bytesMax: 10_000_000 };
  const called = await traceCall(
    simulationOn(chain),
    makeRequest({ to: DEEP, gasLimit: 2n ** 44n }),
    trace,
  );
  if (!called.ok) throw new Error(called.code);
  depth = 0;
  for (deepest = called.value; deepest.calls[0] !== undefined; deepest = deepest.calls[0])
    depth += 1;
  t.match(deepest, { error: "max call depth exceeded", gasUsed: 0n, type: "CALL" });
  t.equal(depth, 1025);
});

t.test("what a traced transaction sees is what it saw in its block", async (t) => {
  const dataDir = t.testdir();
  const system = { baseFeeScalar: 1368, blobBaseFeeScalar: 810_949, operatorFeeScalar: 5000 };
  const rollup = makeConfig({ alloc: ALLOC, system });
  const chain = await createStoredChain(dataDir, { rollup });
  const minted = deposit({ mint: 5n * ETHER, to: BALANCE, sender: lower(ALICE.address) });
  const paying = await sign(ALICE, { nonce: 1, to: BOB_ADDRESS, value: 3n });
  const seeing = await sign(ALICE, { nonce: 2, to: BALANCE, gas: 100_000n });
  const failed = deposit({ to: BALANCE, gasLimit: 20_000n, sender: lower(POOR.address) });
  const { receipts } = await chain.block([attributes(rollup), minted, paying, seeing, failed]);
  t.ok(receipts[2]!.l1Fee > 0n, "L1 fees are paid");
  const seen = chain.store.state.slot(BALANCE, words(0n));
  const [system0, deposit1, , user3, deposit4] = await tracesOf(chain, dataDir);
  t.equal(toHex(user3!.frame.output), words(seen), "deposits and fees before it count");
  t.match(system0, { frame: { type: "CALL", error: null, gas: 1_000_000n } });
  t.equal(toHex(deposit1!.frame.output), words(1005n * ETHER));
  t.match(deposit4!.frame, { error: "failed deposit", gasUsed: 20_000n, calls: [] });
  const [alone] = await tracesOf(chain, dataDir, {}, [3, 4]);
  t.same(alone, user3);
  await chain.close();
});

t.test("a trace is bounded, and what differs from its block is damage", async (t) => {
  const dataDir = t.testdir();
  const chain = await createStoredChain(dataDir, { rollup: makeConfig({ alloc: ALLOC }) });
  await chain.block([await sign(ALICE, { to: CALLS, value: 10n, data: words(1n, 2n) })]);
  await t.rejects(tracesOf(chain, dataDir, { bytesMax: 1000 }), {
    code: "LIMIT_EXCEEDED",
    data: { limit: "trace bytes", max: 1000 },
  });
  t.ok(await tracesOf(chain, dataDir, { bytesMax: 1000, onlyTopCall: true, withLog: false }));
  const reader = await openChainReader(dataDir);
  const snapshot = reader.snapshot();
  const { block } = snapshot.blockByNumber(1)!;
  const options = {
    rollup: chain.rollup,
    state: snapshot.stateAt(0).state,
    parent: snapshot.headerByNumber(0)!,
    block,
    receipts: snapshot.receipts(1)!,
    trace: { onlyTopCall: false, withLog: false, bytesMax: 1_000_000 },
    poll: NEVER,
  };
  t.equal((await traceTransactions(options, 0, 1)).length, 1);
  const [receipt] = options.receipts;
  const receipts = [{ ...receipt!, gasUsed: 1n }];
  await t.rejects(traceTransactions({ ...options, receipts }, 0, 1), { code: "STORAGE_CORRUPT" });
  const poll = (): void => {
    throw new Error("too long");
  };
  await t.rejects(traceTransactions({ ...options, poll }, 0, 1), /too long/);
  await snapshot.release();
  await reader.close();
  await chain.close();
});

t.test("a call is traced like a transaction, or says why it cannot begin", async (t) => {
  const chain = createChain(makeConfig({ alloc: ALLOC }));
  const trace = { onlyTopCall: false, withLog: true, bytesMax: 100_000 };
  const traced = await traceCall(simulationOn(chain), makeRequest({ to: INNER }), trace);
  t.match(traced, {
    ok: true,
    value: { type: "CALL", to: INNER, gas: 30_000_000n, calls: [{ to: at("logger") }] },
  });
  t.match(await traceCall(simulationOn(chain), makeRequest({ to: INNER, gasLimit: 5n }), trace), {
    ok: false,
    code: "EXECUTION_FAILED",
    data: { reason: "intrinsic gas too low" },
  });
  const dear = makeRequest({ to: INNER, feeCap: 1n });
  t.match(await traceCall(simulationOn(chain), dear, trace), { code: "FEE_CAP_TOO_LOW" });
});
