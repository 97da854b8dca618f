import { type ClientRequest, request } from "node:http";
import { connect, type Socket } from "node:net";
import t, { type Test } from "tap";
import { createPublicClient, http, webSocket } from "viem";
import { WebSocket } from "ws";
import { silentLogger } from "../../node/log.ts";
import { DEFAULT_LIMITS, type RpcLimits } from "../../rpc/limits.ts";
import { createMethods } from "../../rpc/methods.ts";
import { createRpcServer, type RpcServer } from "../../rpc/server.ts";
import { createSubscriptions } from "../../rpc/subscriptions.ts";
import { createFakeChain, SENDER } from "./fixture-chain.ts";
import { createContext, createFakeNode } from "./fixture-node.ts";
import { dispatcherOf } from "./fixture-client.ts";

const HOST = "127.0.0.1";

/** A server on a free port, stopped with the test. */
async function serve(t: Test, changes: Partial<RpcLimits> = {}) {
  const limits = { ...DEFAULT_LIMITS, ...changes };
  const chain = await createFakeChain();
  const context = createContext(chain, createFakeNode());
  const subscriptions = createSubscriptions({ context, limits, log: silentLogger });
  const methods = { ...createMethods(context), ...subscriptions.methods };
  const server = createRpcServer(
    { host: HOST, port: 0, limits },
    { dispatcher: dispatcherOf(methods, limits), log: silentLogger, onClosed: subscriptions.drop },
  );
  const port = await server.start();
  t.teardown(() => server.stop());
  return { server, port, chain, subscriptions, url: `http://${HOST}:${port}` };
}

/** Polls until `ready`, a few seconds at most. */
async function until(ready: () => boolean): Promise<boolean> {
  for (let i = 0; i < 500 && !ready(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  return ready();
}

const CHAIN_ID = '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}';

const post = (url: string, body: string, headers: Record<string, string> = {}) =>
  fetch(url, { method: "POST", body, headers });

t.test("POST answers JSON-RPC, whatever the content type", async (t) => {
  const { url } = await serve(t);
  for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded"]) {
    const response = await post(url, CHAIN_ID, { "content-type": type });
    t.equal(response.status, 200);
    t.match(response.headers.get("content-type"), /application\/json/);
    t.equal(response.headers.get("access-control-allow-origin"), "*");
    t.same(await response.json(), { jsonrpc: "2.0", id: 1, result: "0x385" });
  }
  t.match(await (await post(url, "{")).json(), { error: { code: -32700 } });
  t.match(await (await post(url, "")).json(), { error: { code: -32700 } });
  t.match(await (await post(url, `[${CHAIN_ID},${CHAIN_ID}]`)).json(), [
    { result: "0x385" },
    { result: "0x385" },
  ]);
  const notification = await post(url, '{"jsonrpc":"2.0","method":"eth_chainId"}');
  t.equal(notification.status, 204);
  const batch = await post(url, `[${Array.from({ length: 101 }, () => CHAIN_ID).join(",")}]`);
  t.match(await batch.json(), { error: { data: { code: "REQUEST_TOO_LARGE" } } });
});

t.test("a request without a content type is answered", async (t) => {
  const { port } = await serve(t);
  const answer = await raw(
    port,
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${CHAIN_ID.length}\r\nConnection: close\r\n\r\n${CHAIN_ID}`,
  );
  t.match(answer, /^HTTP\/1\.1 200 [^]*"result":"0x385"/);
});

t.test("browsers may call from any page; other paths and verbs say what is right", async (t) => {
  const { url } = await serve(t);
  const preflight = await fetch(url, {
    method: "OPTIONS",
    headers: { origin: "https://a.example" },
  });
  t.equal(preflight.status, 204);
  t.match(preflight.headers.get("access-control-allow-methods"), /POST/);
  const get = await fetch(url);
  t.equal(get.status, 405);
  t.equal(get.headers.get("allow"), "POST, OPTIONS");
  t.match(await get.json(), { error: { code: -32600 } });
  t.equal((await post(`${url}/other`, CHAIN_ID)).status, 404);
  t.equal((await fetch(`${url}/?key=1`)).status, 405, "a query is no part of the path");
  t.match(await (await post(`${url}/?key=1`, CHAIN_ID)).json(), { result: "0x385" });
  t.equal((await post(`${url}/other?/`, CHAIN_ID)).status, 404);
});

t.test("a body over the limit is 413 before it is parsed", async (t) => {
  const { url } = await serve(t);
  const nested = "[".repeat(5_000_000);
  const response = await post(url, nested);
  t.equal(response.status, 413);
  t.match(await response.json(), {
    id: null,
    error: { code: -32600, data: { code: "REQUEST_TOO_LARGE" } },
  });
  const largest = await post(url, "[".repeat(256 * 1024));
  t.equal(largest.status, 200, "the largest body is parsed, and is no JSON");
  t.match(await largest.json(), { error: { code: -32700 } });
  const chunked = await endless(url);
  t.equal(chunked, 413, "without a declared length too");
});

/** Streams a body without a length until there is an answer; returns its status. */
function endless(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const client: ClientRequest = request(url, { method: "POST" }, (response) => {
      response.resume();
      client.destroy();
      resolve(response.statusCode ?? 0);
    });
    client.on("error", reject);
    const chunk = Buffer.alloc(64 * 1024, "[");
    const push = (sent: number): void => {
      if (!client.destroyed && sent < 100) {
        client.write(chunk, () => {
          push(sent + 1);
        });
      }
    };
    push(0);
  });
}

/** Writes to a fresh connection and returns everything until its end. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, HOST, () => socket.write(text));
    let received = "";
    socket.setEncoding("latin1");
    socket.on("data", (data: string) => (received += data));
    socket.on("error", reject);
    socket.on("close", () => {
      resolve(received);
    });
  });
}

t.test("a client that is slow to send is cut off", async (t) => {
  const { port } = await serve(t, {
    headersTimeoutMs: 100,
    requestTimeoutMs: 200,
    timeoutCheckMs: 20,
  });
  const halfHeaders = await raw(port, "POST / HTTP/1.1\r\nHost: x\r\n");
  t.match(halfHeaders, /^HTTP\/1\.1 408/);
  const halfBody = await raw(port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
  t.notMatch(halfBody, /200 OK/);
});

t.test("one address holds a bounded number of connections", async (t) => {
  const { server, port, url } = await serve(t, { connectionsPerIpMax: 3 });
  const sockets: Socket[] = [];
  const open = (): Socket => {
    const socket = connect(port, HOST);
    socket.on("error", () => undefined);
    sockets.push(socket);
    return socket;
  };
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let i = 0; i < 3; i++) open();
  t.ok(await until(() => server.connections().sockets === 3));
  const refused = open();
  t.ok(await until(() => refused.closed));
  t.equal(server.connections().sockets, 3);
  for (const socket of sockets) socket.destroy();
  t.ok(await until(() => server.connections().sockets === 0));
  t.equal((await post(url, CHAIN_ID)).status, 200, "room again");
});

t.test("a port that is taken is PORT_BUSY", async (t) => {
  const { port } = await serve(t);
  const second: RpcServer = createRpcServer(
    { host: HOST, port, limits: DEFAULT_LIMITS },
    { dispatcher: dispatcherOf({}), log: silentLogger, onClosed: () => undefined },
  );
  await t.rejects(second.start(), { code: "PORT_BUSY", data: { port } });
  await second.stop();
});

t.test("viem reads over HTTP and is pushed heads over WebSocket", async (t) => {
  const { url, port, chain, subscriptions } = await serve(t);
  const client = createPublicClient({ transport: http(url) });
  t.equal(await client.getChainId(), 901);
  const block = await client.getBlock({ includeTransactions: true });
  t.equal(block.hash, chain.block.hash);
  t.equal(block.transactions.length, 5);
  t.equal(await client.getBalance({ address: SENDER }), 10n ** 18n);
  const receipt = await client.getTransactionReceipt({ hash: chain.block.transactions[1]!.hash });
  t.equal(receipt.logs.length, 2);
  t.equal(receipt.status, "success");

  const ws = createPublicClient({ transport: webSocket(`ws://${HOST}:${port}`) });
  const numbers: bigint[] = [];
  const unwatch = ws.watchBlockNumber({ onBlockNumber: (number) => numbers.push(number) });
  t.ok(await until(() => subscriptions.count() === 1));
  subscriptions.events.newHead(chain.grow(), []);
  t.ok(await until(() => numbers.includes(2n)));
  unwatch();
  t.ok(await until(() => subscriptions.count() === 0));
  const socket = await ws.transport.getRpcClient();
  socket.close();
});

interface Client {
  readonly ws: WebSocket;
  readonly messages: unknown[];
  /** How the connection was closed; `null` while it is open. */
  readonly code: () => number | null;
}

async function openWs(t: Test, port: number): Promise<Client> {
  const ws = new WebSocket(`ws://${HOST}:${port}`);
  const messages: unknown[] = [];
  let closed: number | null = null;
  ws.on("message", (data: Buffer) => messages.push(JSON.parse(data.toString())));
  ws.on("close", (code) => (closed = code));
  ws.on("error", () => undefined);
  t.teardown(() => {
    ws.terminate();
  });
  if (!(await until(() => ws.readyState === WebSocket.OPEN))) throw new Error("not open");
  return { ws, messages, code: () => closed };
}

t.test("a WebSocket answers every message, good and bad", async (t) => {
  const { port } = await serve(t);
  const { ws, messages } = await openWs(t, port);
  const sent = [CHAIN_ID, "{", `[${CHAIN_ID}]`, "[]", Buffer.from(CHAIN_ID)];
  for (const [index, message] of sent.entries()) {
    ws.send(message);
    t.ok(await until(() => messages.length === index + 1));
  }
  t.match(messages, [
    { result: "0x385" },
    { error: { code: -32700 } },
    [{ result: "0x385" }],
    { error: { code: -32600 } },
    { result: "0x385" },
  ]);
});

t.test("many messages at once are all answered, a few at a time", async (t) => {
  const { port } = await serve(t, { concurrencyMax: 2 });
  const { ws, messages } = await openWs(t, port);
  for (let i = 0; i < 200; i++) ws.send(CHAIN_ID);
  t.ok(await until(() => messages.length === 200));
});

t.test("whoever sends one message does not wait for all that another sends at once", async (t) => {
  const { port } = await serve(t);
  const flood = await openWs(t, port);
  const quiet = await openWs(t, port);
  let before = 0;
  quiet.ws.once("message", () => {
    before = flood.messages.length;
  });
  flood.ws.once("message", () => {
    quiet.ws.send(CHAIN_ID);
  });
  for (let i = 0; i < 500; i++) flood.ws.send(CHAIN_ID);
  t.ok(await until(() => flood.messages.length === 500 && quiet.messages.length === 1));
  t.ok(before < 100, `${before} of 500 were answered before it`);
});

t.test("a WebSocket message over the limit closes the connection", async (t) => {
  const { port, server } = await serve(t);
  const { ws, code } = await openWs(t, port);
  ws.send("[".repeat(256 * 1024 + 1));
  t.ok(await until(() => code() === 1009));
  t.ok(await until(() => server.connections().webSockets === 0));
});

t.test("a subscriber that stops reading is disconnected, others are not", async (t) => {
  const { port, chain, subscriptions, server } = await serve(t, { sendBufferBytesMax: 100_000 });
  const slow = await openWs(t, port);
  const good = await openWs(t, port);
  const subscribe = '{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}';
  slow.ws.send(subscribe);
  good.ws.send(subscribe);
  t.ok(await until(() => subscriptions.count() === 2));
  slow.ws.pause();
  const head = chain.grow();
  // Enough for the kernel's buffers of a loopback connection and ours.
  for (let i = 0; i < 30_000 && server.connections().webSockets === 2; i++) {
    subscriptions.events.newHead(head, [head]);
    if (i % 50 === 0) await new Promise(setImmediate);
  }
  t.ok(await until(() => server.connections().webSockets === 1));
  t.equal(subscriptions.count(), 1, "its subscriptions went with it");
  t.equal(good.ws.readyState, WebSocket.OPEN);
  const before = good.messages.length;
  good.ws.send(CHAIN_ID);
  t.ok(await until(() => good.messages.length > before));
});

t.test("a peer that does not answer pings is disconnected", async (t) => {
  const { port, server } = await serve(t, { pingIntervalMs: 50 });
  const alive = await openWs(t, port);
  const dead = await openWs(t, port);
  dead.ws.pause();
  t.ok(await until(() => server.connections().webSockets === 1));
  t.equal(alive.ws.readyState, WebSocket.OPEN);
});

t.test("stop ends every connection and is idempotent", async (t) => {
  const { port, server, url } = await serve(t);
  const { code } = await openWs(t, port);
  await server.stop();
  t.ok(await until(() => code() !== null));
  await t.rejects(post(url, CHAIN_ID));
  await server.stop();
});
