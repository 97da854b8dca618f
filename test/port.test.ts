import { MessageChannel } from "node:worker_threads";
import t, { type Test } from "tap";
import { isErrorCode, NodeError } from "../node/errors.ts";
import { connect, serve, type Service } from "../node/port.ts";

// A type, not an interface: `Service` has an index signature.
type Calculator = {
  add(a: number, b: bigint): bigint;
  echo(value: unknown): Promise<unknown>;
  refuse(): never;
  fail(): never;
  uncloneable(): () => void;
  never(): Promise<void>;
};

const calculator: Calculator = {
  add: (a, b) => BigInt(a) + b,
  echo: (value) => Promise.resolve(value),
  refuse() {
    throw new NodeError("STORAGE_BUSY", { waiting: 3 });
  },
  fail() {
    throw new TypeError("broken in here");
  },
  uncloneable: () => () => undefined,
  never: () => new Promise(() => undefined),
};

/** Two ends of one channel, closed after the test. */
function ports(t: Test) {
  const { port1, port2 } = new MessageChannel();
  t.teardown(() => {
    port1.close();
  });
  return { here: port1, there: port2 };
}

function connected(t: Test, service: Service = calculator) {
  const { here, there } = ports(t);
  const stop = serve(there, "calculator", service);
  const client = connect<Calculator>(here, "calculator");
  return { ...client, stop, here, there };
}

t.test("calls cross with their arguments, answers with their values", async (t) => {
  const { remote } = connected(t);
  t.equal(await remote.add(1, 2n ** 70n), 2n ** 70n + 1n);
  const value = { bytes: Uint8Array.of(1, 2), map: new Map([[1n, null]]) };
  t.same(await remote.echo(value), value);
  t.equal(await remote.echo(undefined), undefined);
});

t.test("answers find their calls in any order", async (t) => {
  const release: ((value: string) => void)[] = [];
  const { remote } = connected(t, {
    echo: () => new Promise((resolve) => release.push(resolve)),
    add: () => {
      release[1]?.("second");
      release[0]?.("first");
      return 0n;
    },
  });
  const first = remote.echo(1);
  const second = remote.echo(2);
  await remote.add(0, 0n);
  t.same(await Promise.all([first, second]), ["first", "second"]);
});

t.test("an operating error keeps its code and data", async (t) => {
  const { remote } = connected(t);
  const error = await remote.refuse().catch((caught: unknown) => caught);
  t.ok(error instanceof NodeError);
  t.match(error, { code: "STORAGE_BUSY", data: { waiting: 3 } });
});

t.test("any other error arrives as INTERNAL, with its origin as the cause", async (t) => {
  const { remote } = connected(t);
  const error = await remote.fail().catch((caught: unknown) => caught);
  t.match(error, { code: "INTERNAL", cause: { message: /broken in here/ } });
  await t.rejects(remote.uncloneable(), { code: "INTERNAL" }, "a value that cannot be cloned");
  t.equal(await remote.add(1, 1n), 2n, "the service goes on");
});

t.test("a function the service does not have is an error, inherited ones too", async (t) => {
  const { remote } = connected(t);
  const any = remote as unknown as Record<string, () => Promise<unknown>>;
  for (const name of ["subtract", "toString", "constructor", "__proto__"])
    await t.rejects(any[name]!(), { code: "INTERNAL" }, name);
  t.equal(any["then"], undefined, "the proxy is no thenable");
});

t.test("close fails what is in flight and what comes later", async (t) => {
  const { remote, close } = connected(t);
  const waiting = remote.never();
  close();
  await t.rejects(waiting, { code: "WORKER_FAILED", data: { channel: "calculator" } });
  await t.rejects(remote.add(1, 1n), { code: "WORKER_FAILED" });
});

t.test("channels of one port do not hear each other", async (t) => {
  const { remote, here, there, stop } = connected(t);
  serve(there, "other", { add: () => 99n });
  const other = connect<Pick<Calculator, "add">>(here, "other");
  t.same(await Promise.all([remote.add(1, 1n), other.remote.add(1, 1n)]), [2n, 99n]);
  stop();
  const unanswered = remote.add(1, 1n);
  t.equal(await other.remote.add(1, 1n), 99n);
  const state = await Promise.race([unanswered, Promise.resolve("waiting")]);
  t.equal(state, "waiting", "a stopped service answers nothing");
});

t.test("calls in flight are bounded, and answers make room", async (t) => {
  let release: (() => void) | undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { remote } = connected(t, { never: () => gate, add: () => 0n });
  const waiting = Array.from({ length: 16_384 }, () => remote.never());
  await t.rejects(remote.add(0, 0n), { code: "TIMEOUT", data: { inFlight: 16_384 } });
  release?.();
  await Promise.all(waiting);
  t.equal(await remote.add(0, 0n), 0n);
});

t.test("messages that are not the protocol's are not its business", async (t) => {
  const { remote, here, there } = connected(t);
  for (const message of [null, 7, "call", {}, { kind: "answer", channel: "calculator", id: 999 }]) {
    there.postMessage(message);
    here.postMessage(message);
  }
  t.equal(await remote.add(2, 2n), 4n);
  t.ok(isErrorCode("TIMEOUT") && !isErrorCode("toString"));
});
