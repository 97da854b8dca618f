/** What a line of prices says, and where lines come from. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { WebSocketServer } from "ws";
import type { AddressInfo } from "node:net";
import { linesOf, parseLine } from "../../rpc/cli/price-lines.ts";
import { ETH, feedIdOf } from "../lanes/fixtures/reports.ts";

const eth = { id: "ETH/USD", feedId: ETH, decimals: 8 };
const iv = { id: "IV", feedId: feedIdOf("IV"), decimals: 2 };

t.test("a line is a value for each feed", async (t) => {
  const one = (value: bigint, confidence = 0n, session = 0) => ({
    ok: true,
    value: [{ feedId: ETH, value, confidence, session }],
  });
  t.same(parseLine("2500", [eth]), one(2500_00000000n));
  t.same(parseLine("2500.25", [eth]), one(2500_25000000n));
  t.same(parseLine(" 0.00000001 , 0.5 , 2 ", [eth]), one(1n, 50000000n, 2));
  t.same(parseLine("-3.5;7", [iv, eth]), {
    ok: true,
    value: [
      { feedId: iv.feedId, value: -350n, confidence: 0n, session: 0 },
      { feedId: ETH, value: 7_00000000n, confidence: 0n, session: 0 },
    ],
  });
});

t.test("anything else is refused, never guessed", async (t) => {
  const bad = [
    ...["", "x", "1e5", "NaN", "0x10", ".5", "5.", "+5", "1 000", "1,", "1,-1", "1,0,8", "1,0,x"],
    ...["1;2", "1,0,0,0", "2500.000000001", "1".repeat(41), `1,${" ".repeat(70_000)}`],
  ];
  for (const line of bad)
    t.match(parseLine(line, [eth]), { ok: false, code: "LINE_INVALID" }, line.slice(0, 40));
  t.match(parseLine("1", [eth, iv]), { ok: false, data: { expected: "2 parts, separated by ;" } });
  fc.assert(
    fc.property(fc.bigInt(-(10n ** 20n), 10n ** 20n), fc.integer({ min: 0, max: 12 }), (n, d) => {
      const size = (n < 0n ? -n : n).toString().padStart(d + 1, "0");
      const point = size.length - d;
      const text = `${n < 0n ? "-" : ""}${size.slice(0, point)}${d > 0 ? "." : ""}${size.slice(point)}`;
      const parsed = parseLine(text, [{ ...eth, decimals: d }]);
      return parsed.ok && parsed.value[0]?.value === n;
    }),
    { numRuns: 500 },
  );
});

async function collect(lines: AsyncIterable<string>, max = Infinity): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines) {
    found.push(line);
    if (found.length >= max) break;
  }
  return found;
}

t.test("a file is read to its end; comments are none of its lines", async (t) => {
  const file = join(t.testdir(), "prices.csv");
  writeFileSync(file, "# price\n1\n\n  2,0.1\r\n3");
  const { signal } = new AbortController();
  t.same(await collect(linesOf(file, 1, signal)), ["1", "2,0.1", "3"]);
  const missing = collect(linesOf(`${file}.not`, 1, signal));
  await t.rejects(missing, { code: "CONFIG_INVALID", data: { key: "--source" } });
  const stop = new AbortController();
  const stopped: string[] = [];
  for await (const line of linesOf(file, 60_000, stop.signal)) {
    stopped.push(line);
    stop.abort();
  }
  t.same(stopped, ["1"], "who is told to stop waits for no line");
});

t.test("a WebSocket that ends is opened again, until it is told to stop", async (t) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.teardown(() => {
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  let connections = 0;
  server.on("connection", (socket) => {
    connections += 1;
    socket.send(`${connections}`);
    socket.close();
  });
  const { port } = server.address() as AddressInfo;
  const stop = new AbortController();
  const found: string[] = [];
  for await (const line of linesOf(`ws://127.0.0.1:${port}`, 0, stop.signal)) {
    found.push(line);
    if (found.length === 2) stop.abort();
  }
  t.same(found, ["1", "2"]);
});
