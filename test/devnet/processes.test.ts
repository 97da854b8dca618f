import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { createProcesses } from "../../devnet/processes.ts";

/** A child of these tests: a module with this text, and where its log goes. */
const program = (dir: string, name: string, text: string) => {
  const path = join(dir, `${name}.mjs`);
  writeFileSync(path, text);
  return { name, module: pathToFileURL(path), args: [], logFile: join(dir, "logs", `${name}.log`) };
};
const STAYS = `
  process.stdin.resume().on("end", () => process.exit(0));
  process.on("SIGTERM", () => { console.error("stopping", Date.now()); process.exit(0); });
  console.log("up {}");
  setInterval(() => undefined, 1000);`;
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

t.test("waits for the ready line and stops in reverse order, each once", async (t) => {
  const dir = t.testdir();
  const processes = createProcesses();
  t.teardown(() => processes.stopAll());
  const first = await processes.start({ ...program(dir, "first", STAYS), readyPrefix: "up " });
  const second = await processes.start({ ...program(dir, "second", STAYS), readyPrefix: "up " });
  t.equal(first.readyText, "{}");
  t.ok(isAlive(first.pid) && isAlive(second.pid));
  await Promise.all([second.stop(), processes.stopAll()]);
  await processes.stopAll();
  t.notOk(isAlive(first.pid) || isAlive(second.pid));
  const stops = ["first", "second"].map((name) =>
    readFileSync(join(dir, "logs", `${name}.log`), "utf8").match(/stopping \d+/g),
  );
  t.same(
    stops.map((lines) => lines?.length),
    [1, 1],
  );
  t.ok(String(stops[1]?.[0]) <= String(stops[0]?.[0]), "the last started stops first");
  await t.rejects(processes.start(program(dir, "third", STAYS)), { name: "DevnetError" });
});

t.test("a child that stops before it is ready is one line with what it said last", async (t) => {
  const processes = createProcesses();
  t.teardown(() => processes.stopAll());
  const text = `console.error("first"); console.error("pricelane: STORAGE_FORMAT: other"); process.exit(1);`;
  await t.rejects(processes.start({ ...program(t.testdir(), "node", text), readyPrefix: "up " }), {
    message: /^node did not start \(exit code 1\): pricelane: STORAGE_FORMAT: other \([^\n]*\)$/,
  });
});

t.test("a child that stays silent is given up", async (t) => {
  const processes = createProcesses();
  t.teardown(() => processes.stopAll());
  const spec = { ...program(t.testdir(), "mute", "setInterval(() => undefined, 1000);") };
  await t.rejects(processes.start({ ...spec, readyPrefix: "up ", readyTimeoutMs: 200 }), {
    message: /^mute was not ready after 0 s/,
  });
});

t.test("an end that nobody asked for is a failure; a crash on purpose is not", async (t) => {
  const dir = t.testdir();
  const processes = createProcesses();
  t.teardown(() => processes.stopAll());
  const wanted = await processes.start({ ...program(dir, "wanted", STAYS), readyPrefix: "up " });
  await wanted.crash();
  const unwanted = await processes.start({ ...program(dir, "other", STAYS), readyPrefix: "up " });
  process.kill(unwanted.pid, "SIGKILL");
  const failure = await processes.failure;
  t.match(failure.message, /^other stopped unexpectedly \(SIGKILL\)/);
});

t.test("settings of the user's shell do not reach the children", async (t) => {
  const processes = createProcesses();
  t.teardown(() => processes.stopAll());
  process.env["PRICELANE_RPC_PORT"] = "1";
  t.teardown(() => Reflect.deleteProperty(process.env, "PRICELANE_RPC_PORT"));
  const text = `console.log("env " + JSON.stringify([process.env.PRICELANE_RPC_PORT ?? null, process.env.PRICELANE_SEQUENCER_KEY, typeof process.env.PATH]));${STAYS}`;
  const child = await processes.start({
    ...program(t.testdir(), "env", text),
    readyPrefix: "env ",
    env: { PRICELANE_SEQUENCER_KEY: "0x01" },
  });
  t.same(JSON.parse(child.readyText), [null, "0x01", "string"]);
});

t.test("the last run's log is kept beside the new one", async (t) => {
  const dir = t.testdir();
  for (const text of ["one", "two"]) {
    const processes = createProcesses();
    const child = await processes.start(program(dir, "logger", `console.log("${text}")`));
    await child.exited;
  }
  t.equal(readFileSync(join(dir, "logs", "logger.log"), "utf8"), "two\n");
  t.equal(readFileSync(join(dir, "logs", "logger.log.1"), "utf8"), "one\n");
});
