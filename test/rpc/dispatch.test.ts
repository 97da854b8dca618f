import fc from "fast-check";
import t from "tap";
import { accept } from "../../lanes/verdict.ts";
import { NodeError } from "../../node/errors.ts";
import { method, type Methods } from "../../rpc/method.ts";
import { addressParam, bad } from "../../rpc/params.ts";
import { createMethods } from "../../rpc/methods.ts";
import { createFixture, dispatcherOf, sendText } from "./fixture-client.ts";

const anything = {
  name: "value",
  parse: (value: unknown) => (value === "bad" ? bad("value", "anything else") : accept(value)),
};

const METHODS: Methods = {
  echo: method([anything], ([value]) => value),
  nothing: method([], () => undefined),
  fail: method([], () => {
    throw new NodeError("TIMEOUT", { seconds: 3 });
  }),
  crash: method([], () => Promise.reject(new Error("secret detail"))),
  large: method([], () => "x".repeat(1000)),
};

const echo = (id: unknown, value: unknown = 1) => ({
  jsonrpc: "2.0",
  id,
  method: "echo",
  params: [value],
});

t.test("a request is answered with its id", async (t) => {
  const dispatcher = dispatcherOf(METHODS);
  for (const id of ["a", 7, -1, 0.5, null, "\ud800", ""]) {
    const answer = await sendText(dispatcher, JSON.stringify(echo(id, { deep: [1] })));
    t.same(answer, { jsonrpc: "2.0", id, result: { deep: [1] } });
  }
  const nothing = await sendText(dispatcher, '{"jsonrpc":"2.0","id":1,"method":"nothing"}');
  t.same(nothing, { jsonrpc: "2.0", id: 1, result: null });
  t.equal(dispatcher.inFlight(), 0);
});

t.test("what is not JSON is -32700", async (t) => {
  const dispatcher = dispatcherOf(METHODS);
  const notUtf8 = Uint8Array.of(0x22, 0xff, 0x22);
  for (const text of ["", "{", "[1,", "undefined", "'a'", notUtf8])
    t.match(await sendText(dispatcher, text), { id: null, error: { code: -32700 } });
});

t.test("what is not a request is -32600", async (t) => {
  const dispatcher = dispatcherOf(METHODS);
  const cases: readonly (readonly [string, unknown])[] = [
    ["1", null],
    ['"text"', null],
    ["null", null],
    ["[]", null],
    ["{}", null],
    ['{"jsonrpc":"1.0","id":4,"method":"echo"}', 4],
    ['{"jsonrpc":"2.0","id":4}', 4],
    ['{"jsonrpc":"2.0","id":4,"method":5}', 4],
    ['{"jsonrpc":"2.0","id":4,"method":"echo","params":5}', 4],
    ['{"jsonrpc":"2.0","id":{},"method":"echo"}', null],
    ['{"jsonrpc":"2.0","id":[1],"method":"echo"}', null],
    ['{"jsonrpc":"2.0","id":true,"method":"echo"}', null],
    // A number that JSON.parse rounds would come back as another id.
    ['{"jsonrpc":"2.0","id":9007199254740993,"method":"echo"}', null],
    [`{"jsonrpc":"2.0","id":1${"0".repeat(200_000)},"method":"echo"}`, null],
    ['{"__proto__":{"jsonrpc":"2.0","id":1,"method":"echo"}}', null],
  ];
  for (const [text, id] of cases) {
    const answer = await sendText(dispatcher, text);
    t.match(answer, { id, error: { code: -32600, data: { code: "REQUEST_INVALID" } } });
  }
});

t.test("unknown methods are -32601, the object prototype's among them", async (t) => {
  const dispatcher = dispatcherOf(METHODS);
  for (const name of [
    "",
    "eth_nothing",
    "constructor",
    "toString",
    "__proto__",
    "hasOwnProperty",
  ]) {
    const answer = await sendText(dispatcher, JSON.stringify({ ...echo(1), method: name }));
    const message = `the method ${name} does not exist/is not available`;
    t.match(answer, { id: 1, error: { code: -32601, message, data: { method: name } } });
  }
  const long = await sendText(dispatcher, JSON.stringify({ ...echo(1), method: "m".repeat(65) }));
  const message = `the method ${"m".repeat(64)} does not exist/is not available`;
  t.match(long, { error: { message, data: { method: "m".repeat(64) } } });
});

t.test("bad parameters are -32602 and named", async (t) => {
  const dispatcher = dispatcherOf(METHODS);
  const cases: readonly (readonly [unknown, string])[] = [
    [["bad"], "value"],
    [[], "value"],
    [[null], "value"],
    [[1, 2], "params"],
    [{ value: 1 }, "params"],
  ];
  for (const [params, parameter] of cases)
    t.match(await sendText(dispatcher, JSON.stringify({ ...echo(1), params })), {
      error: { code: -32602, data: { code: "PARAMS_INVALID", parameter } },
    });
});

t.test("notifications are run and not answered, whatever comes of them", async (t) => {
  let runs = 0;
  const methods = { ...METHODS, count: method([], () => ++runs) };
  const dispatcher = dispatcherOf(methods);
  for (const name of ["count", "fail", "crash", "unknown"])
    t.equal(await sendText(dispatcher, `{"jsonrpc":"2.0","method":"${name}"}`), undefined);
  t.equal(
    await sendText(dispatcher, '{"jsonrpc":"2.0","method":"echo","params":{"a":1}}'),
    undefined,
  );
  t.equal(runs, 1);
  const batch = '[{"jsonrpc":"2.0","method":"count"},{"jsonrpc":"2.0","method":"count"}]';
  t.equal(await sendText(dispatcher, batch), undefined);
  t.equal(runs, 3);
});

t.test("operating errors carry their code, other errors say nothing of themselves", async (t) => {
  const dispatcher = dispatcherOf(METHODS);
  t.match(await sendText(dispatcher, '{"jsonrpc":"2.0","id":1,"method":"fail"}'), {
    error: { code: -32000, data: { code: "TIMEOUT", seconds: 3 } },
  });
  const crash = await sendText(dispatcher, '{"jsonrpc":"2.0","id":1,"method":"crash"}');
  t.match(crash, { error: { code: -32603, data: { code: "INTERNAL" } } });
  t.notMatch(JSON.stringify(crash), /secret/);
});

t.test("a batch is answered in order, up to its limit", async (t) => {
  const dispatcher = dispatcherOf(METHODS, { batchMax: 5, concurrencyMax: 2 });
  const batch = [
    echo("a"),
    { ...echo("b"), id: undefined },
    5,
    echo("c", 3),
    { ...echo("d"), method: "x" },
  ];
  t.match(await sendText(dispatcher, JSON.stringify(batch)), [
    { id: "a", result: 1 },
    { id: null, error: { code: -32600 } },
    { id: "c", result: 3 },
    { id: "d", error: { code: -32601 } },
  ]);
  const tooMany = await sendText(dispatcher, JSON.stringify([...batch, echo("e")]));
  t.match(tooMany, { id: null, error: { data: { code: "REQUEST_TOO_LARGE", batchMax: 5 } } });
});

t.test("a batch runs a few requests at a time", async (t) => {
  let running = 0;
  let most = 0;
  const slow = method([], async () => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < 8; turn++) await new Promise(setImmediate);
    running--;
  });
  const dispatcher = dispatcherOf({ slow }, { concurrencyMax: 3 });
  const batch = Array.from({ length: 10 }, (_, id) => ({ jsonrpc: "2.0", id, method: "slow" }));
  await sendText(dispatcher, JSON.stringify(batch));
  t.equal(most, 3);
});

t.test("a batch lets others in between", async (t) => {
  let started = 0;
  const count = method([], () => {
    started += 1;
  });
  const dispatcher = dispatcherOf({ count });
  const batch = Array.from({ length: 100 }, (_, id) => ({ jsonrpc: "2.0", id, method: "count" }));
  const all = sendText(dispatcher, JSON.stringify(batch));
  const seen: number[] = [];
  while (started < 100) {
    await new Promise(setImmediate);
    seen.push(started);
  }
  const steps = seen.map((now, at) => now - (seen[at - 1] ?? 0));
  t.ok(Math.max(...steps) <= 2, `${Math.max(...steps)} in one turn`);
  await all;
});

t.test("answers are bounded, alone and in a batch", async (t) => {
  const large = (id: number) => ({ jsonrpc: "2.0", id, method: "large" });
  const small = dispatcherOf(METHODS, { responseBytesMax: 500 });
  t.match(await sendText(small, JSON.stringify(large(1))), {
    id: 1,
    error: { code: -32005, data: { code: "LIMIT_EXCEEDED" } },
  });
  const medium = dispatcherOf(METHODS, { responseBytesMax: 2500, concurrencyMax: 1 });
  const answers = await sendText(medium, JSON.stringify([1, 2, 3, 4].map(large)));
  t.match(answers, [
    { id: 1, result: String },
    { id: 2, result: String },
    { id: 3, error: { code: -32005 } },
    { id: 4, error: { code: -32005 } },
  ]);
});

t.test("requests in work are bounded over all connections", async (t) => {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const dispatcher = dispatcherOf({ wait: method([], () => gate) }, { requestsMax: 2 });
  const request = (id: number) => `{"jsonrpc":"2.0","id":${id},"method":"wait"}`;
  const first = sendText(dispatcher, request(1));
  const second = sendText(dispatcher, request(2));
  t.match(await sendText(dispatcher, request(3)), { id: 3, error: { code: -32005 } });
  release();
  t.match(await Promise.all([first, second]), [{ result: null }, { result: null }]);
  t.equal(dispatcher.inFlight(), 0);
});

t.test("members of the prototype are not members of a request", async (t) => {
  const dispatcher = dispatcherOf({ who: method([addressParam("who")], ([who]) => who) });
  const text = '{"jsonrpc":"2.0","id":1,"method":"who","params":[{"__proto__":"0x00"}]}';
  t.match(await sendText(dispatcher, text), { error: { code: -32602 } });
  t.same(Object.keys(Object.prototype), []);
  t.equal(({} as Record<string, unknown>)["jsonrpc"], undefined);
});

/** Errors an arbitrary request may get; -32603 would be a fault of ours. */
const EXPECTED = new Set([-32700, -32600, -32601, -32602, -32000, -32001, -32003, -32005, 3, 804]);

interface AnyAnswer {
  readonly jsonrpc?: unknown;
  readonly error?: { readonly code: number };
}

t.test("no text crashes the dispatcher", async (t) => {
  const { dispatcher } = await createFixture();
  const check = async (body: Uint8Array): Promise<void> => {
    const text = await dispatcher.dispatch(body, null);
    if (text === null) return;
    const answers = [JSON.parse(text) as AnyAnswer].flat();
    for (const { jsonrpc, error } of answers) {
      if (jsonrpc !== "2.0") throw new Error(`not an answer: ${text}`);
      if (error !== undefined && !EXPECTED.has(error.code)) throw new Error(text);
    }
  };
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 500 });
  await fc.assert(
    fc.asyncProperty(fc.json({ maxDepth: 5, stringUnit: "binary" }), (json) =>
      check(new TextEncoder().encode(json)),
    ),
    { numRuns: 500 },
  );
  t.equal(dispatcher.inFlight(), 0);
});

t.test("no parameters crash a method", async (t) => {
  const { dispatcher, context } = await createFixture();
  const names = Object.keys(createMethods(context));
  t.ok(names.length >= 35);
  const interesting = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown>,
    fc.constantFrom<unknown>("latest", "0x0", "0x1", "0x", "0xzz", "\ud800", "__proto__", true),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => `0x${Buffer.from(bytes).toString("hex")}`),
    fc.bigInt({ min: 0n, max: 2n ** 260n }).map((value) => `0x${value.toString(16)}`),
    fc.dictionary(
      fc.constantFrom(
        "to",
        "from",
        "data",
        "input",
        "gas",
        "value",
        "topics",
        "address",
        "blockHash",
      ),
      fc.oneof(fc.constantFrom<unknown>("0x0", "0x1234", null), fc.array(fc.string())),
    ) as fc.Arbitrary<unknown>,
  );
  const request = fc.record({
    jsonrpc: fc.constant("2.0"),
    id: fc.integer(),
    method: fc.constantFrom(...names),
    params: fc.array(interesting, { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(request, async (value) => {
      const text = await dispatcher.dispatch(new TextEncoder().encode(JSON.stringify(value)), null);
      const answer = JSON.parse(text ?? "null") as AnyAnswer & { readonly id: number };
      if (answer.id !== value.id) throw new Error("another id");
      if (answer.error !== undefined && !EXPECTED.has(answer.error.code))
        throw new Error(text ?? "");
    }),
    { numRuns: 3000 },
  );
});
