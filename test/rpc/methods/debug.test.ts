import t from "tap";
import { encodeErrorResult, parseAbi } from "viem";
import { fromHex, ZERO_HASH } from "../../../lanes/bytes.ts";
import type { CallFrame } from "../../../node/execution/trace.ts";
import { CONTRACT, FEED, SENDER, TOPIC } from "../fixture-chain.ts";
import { createFixture } from "../fixture-client.ts";

const CONFIG = { tracer: "callTracer" };
const TOP = {
  from: SENDER,
  gas: "0x186a0",
  gasUsed: "0x5208",
  to: CONTRACT,
  input: "0x1234",
  value: "0x0",
  type: "CALL",
};

t.test("a transaction, a block and a call are traced", async (t) => {
  const { chain, result } = await createFixture();
  const { hash, transactions } = chain.block;
  for (const transaction of transactions)
    t.strictSame(await result("debug_traceTransaction", [transaction.hash, CONFIG]), TOP);
  const all = transactions.map((transaction) => ({ txHash: transaction.hash, result: TOP }));
  t.strictSame(await result("debug_traceBlockByNumber", ["latest", CONFIG]), all);
  t.strictSame(await result("debug_traceBlockByNumber", ["0x1", CONFIG]), all);
  t.strictSame(await result("debug_traceBlockByHash", [hash, CONFIG]), all);
  t.strictSame(await result("debug_traceCall", [{ to: FEED }, "latest", CONFIG]), TOP);
  t.match(chain.calls, [{ to: FEED, overrides: { accounts: [] }, timeoutMs: 5000 }]);
});

t.test("what the tracer is told reaches it", async (t) => {
  const { chain, result } = await createFixture();
  const [first] = chain.block.transactions;
  const configs: readonly (readonly [unknown, boolean, boolean])[] = [
    [CONFIG, false, false],
    [{ ...CONFIG, tracerConfig: null, timeout: "10s" }, false, false],
    [{ ...CONFIG, tracerConfig: { onlyTopCall: true } }, true, false],
    [{ ...CONFIG, tracerConfig: { withLog: true, onlyTopCall: null } }, false, true],
  ];
  for (const [config] of configs) await result("debug_traceTransaction", [first!.hash, config]);
  t.strictSame(
    chain.traced,
    configs.map(([, onlyTopCall, withLog]) => ({
      onlyTopCall,
      withLog,
      bytesMax: 4 * 1024 * 1024,
      timeoutMs: 5000,
    })),
  );
});

t.test("other tracers and unknown transactions are said to be missing", async (t) => {
  const { chain, call } = await createFixture();
  const { hash } = chain.block.transactions[0]!;
  const refused = (parameter: string) => ({ error: { code: -32602, data: { parameter } } });
  for (const config of [{}, { tracer: "prestateTracer" }, { tracer: "{}" }, { tracer: null }]) {
    t.match(await call("debug_traceTransaction", [hash, config]), refused("config.tracer"));
    t.match(await call("debug_traceCall", [{}, "latest", config]), refused("config.tracer"));
  }
  t.match(await call("debug_traceTransaction", [hash]), refused("config"));
  const odd = { ...CONFIG, tracerConfig: { withLog: 1 } };
  t.match(
    await call("debug_traceTransaction", [hash, odd]),
    refused("config.tracerConfig.withLog"),
  );
  t.match(await call("debug_traceTransaction", [ZERO_HASH, CONFIG]), {
    error: {
      code: -32000,
      message: /^transaction not found/,
      data: { code: "TRANSACTION_NOT_FOUND" },
    },
  });
  t.match(await call("debug_traceBlockByHash", [ZERO_HASH, CONFIG]), {
    error: { data: { code: "BLOCK_NOT_FOUND" } },
  });
  chain.oldest = 0;
  t.match(await call("debug_traceBlockByNumber", ["earliest", CONFIG]), {
    error: { code: -32000, message: /^genesis is not traceable/ },
  });
});

t.test("frames are written as geth writes them", async (t) => {
  const { chain, result } = await createFixture();
  const abi = parseAbi(["error Error(string)"]);
  const output = encodeErrorResult({ abi, errorName: "Error", args: ["too late"] });
  const log = { address: FEED, topics: [TOPIC], data: fromHex("0x2a"), index: 12, position: 1 };
  const leaf: CallFrame = { ...chain.frame, logs: [log], output: fromHex("0x01") };
  const failed: CallFrame = {
    ...chain.frame,
    type: "CREATE2",
    to: null,
    error: "execution reverted",
    output: fromHex(output),
    value: 5n,
  };
  chain.frame = {
    ...chain.frame,
    type: "STATICCALL",
    value: null,
    input: new Uint8Array(0),
    calls: [leaf, failed],
  };
  const { hash } = chain.block.transactions[0]!;
  const { from, gas, gasUsed, to, input } = TOP;
  const answer = await result("debug_traceTransaction", [hash, CONFIG]);
  t.strictSame(answer, {
    ...{ from, gas, gasUsed, to },
    type: "STATICCALL",
    input: "0x",
    calls: [
      {
        ...TOP,
        output: "0x01",
        logs: [{ address: FEED, topics: [TOPIC], data: "0x2a", index: "0xc", position: "0x1" }],
      },
      {
        ...{ from, gas, gasUsed, input },
        type: "CREATE2",
        value: "0x5",
        output,
        error: "execution reverted",
        revertReason: "too late",
      },
    ],
  });
});
