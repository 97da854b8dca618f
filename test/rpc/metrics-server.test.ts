/** The port for Prometheus: one path, one verb, few connections. */
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import t, { type Test } from "tap";
import { silentLogger } from "../../node/log.ts";
import { DEFAULT_LIMITS, METRICS_CONNECTIONS_MAX } from "../../rpc/limits.ts";
import { createMetricsServer } from "../../rpc/metrics-server.ts";

const HOST = "127.0.0.1";

function create(port = 0, host = HOST) {
  const state = { renders: 0, answers: true };
  const render = () => {
    state.renders += 1;
    return state.answers ? Promise.resolve("up 1\n") : new Promise<string>(() => undefined);
  };
  const metrics = { contentType: "text/plain", render };
  const options = { host, port, limits: DEFAULT_LIMITS };
  return { state, server: createMetricsServer(options, { metrics, log: silentLogger }) };
}

async function open(t: Test) {
  const { state, server } = create();
  const port = await server.start();
  t.teardown(() => server.stop());
  return { port, server, state, url: `http://${HOST}:${port}` };
}

/** Status and allowed verbs of one request. */
async function ask(url: string, method: string, body: string | null = null) {
  const response = await fetch(url, { method, body });
  await response.text();
  return [response.status, response.headers.get("allow")];
}

t.test("nothing but GET /metrics is answered", async (t) => {
  const { url, state } = await open(t);
  for (const method of ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
    t.same(await ask(`${url}/metrics`, method), [405, "GET"], method);
  const large = "x".repeat(4 * 1024 * 1024);
  t.same(await ask(`${url}/metrics`, "POST", "a=1"), [405, "GET"]);
  for (const path of ["/", "/metrics/", "/metric", "//metrics", "/metrics%2f..", "/METRICS"])
    t.same(await ask(url + path, "GET"), [404, null], path);
  t.same(await ask(url, "POST", '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'), [404, null]);
  t.equal(state.renders, 0);
  t.same(
    await ask(`${url}/metrics?match=up`, "GET"),
    [200, null],
    "a query is no part of the path",
  );
  t.equal(state.renders, 1);
  const posted = request(`${url}/metrics`, { method: "POST" });
  posted.on("error", () => undefined);
  posted.end(large);
  const [response] = (await once(posted, "response")) as [{ statusCode: number }];
  t.equal(response.statusCode, 405, "whatever comes behind it");
  posted.destroy();
});

t.test("a page in a browser cannot read it", async (t) => {
  const { url } = await open(t);
  const response = await fetch(`${url}/metrics`, { headers: { origin: "https://a.example" } });
  t.equal(await response.text(), "up 1\n");
  t.equal(response.headers.get("access-control-allow-origin"), null);
});

t.test("connections are few, and those over the bound are closed", async (t) => {
  const { port, url } = await open(t);
  const sockets: Socket[] = [];
  for (let i = 0; i < METRICS_CONNECTIONS_MAX; i++) {
    const socket = connect(port, HOST);
    await once(socket, "connect");
    sockets.push(socket);
  }
  await t.rejects(fetch(`${url}/metrics`), /fetch failed/);
  sockets.pop()?.destroy();
  let status: unknown = null;
  for (let i = 0; i < 100 && status === null; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    status = await ask(`${url}/metrics`, "GET").catch(() => null);
  }
  t.same(status, [200, null], "where one has gone there is room");
  for (const socket of sockets) socket.destroy();
});

t.test("where it cannot listen it says which setting", async (t) => {
  const { port } = await open(t);
  await t.rejects(create(port).server.start(), { code: "PORT_BUSY", data: { port, host: HOST } });
  const foreign = create(0, "192.0.2.1").server.start();
  await t.rejects(foreign, { code: "CONFIG_INVALID", data: { key: "metrics.host" } });
});

t.test("a stop waits for nobody, and may be asked for twice", async (t) => {
  const { server, state, url } = await open(t);
  state.answers = false;
  const asked = fetch(`${url}/metrics`).then(
    () => "answered",
    () => "closed",
  );
  while (state.renders === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await server.stop();
  await server.stop();
  t.equal(await asked, "closed");
});
