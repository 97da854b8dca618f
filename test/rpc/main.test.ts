import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { SETTINGS } from "../../node/config.ts";
import { decryptKey } from "../../node/keystore.ts";
import { runProgram } from "../../rpc/cli/devnet.ts";
import { ROLLUP_FILE, SENDER } from "./fixture-chain.ts";

const MAIN = fileURLToPath(new URL("../../rpc/main.js", import.meta.url));
const KEY = "42".repeat(32);

// Every step is a process of its own, and key files cost a second of scrypt each.
t.setTimeout(120_000);

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function finish(child: ChildProcess): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (data: Buffer) => (stdout += data.toString()));
  child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve) => {
    child.once("close", (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

/** Runs the program to its end. */
function pricelane(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly input?: string } = {},
): Promise<Outcome> {
  const env = { PATH: process.env["PATH"], ...options.env };
  const child = spawn(process.execPath, [MAIN, ...args], { env });
  child.stdin.end(options.input ?? "");
  return finish(child);
}

t.test("help explains every subcommand, version is the package's", async (t) => {
  const help = await pricelane(["--help"]);
  t.equal(help.code, 0);
  for (const word of ["start", "devnet", "keys", "Examples"]) t.ok(help.stdout.includes(word));
  const start = await pricelane(["start", "--help"]);
  t.equal(start.code, 0);
  for (const { flag } of SETTINGS) t.ok(start.stdout.includes(flag), flag);
  t.match(start.stdout, /PRICELANE_SEQUENCER_KEY/);
  const keys = await pricelane(["keys", "--help"]);
  for (const word of ["new", "import", "address", "Examples"]) t.ok(keys.stdout.includes(word));
  const version = await pricelane(["--version"]);
  t.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

t.test("what the caller got wrong is one line and exit code 2", async (t) => {
  const unknown = await pricelane(["start", "--nothing"]);
  t.equal(unknown.code, 2);
  t.match(unknown.stderr, /unknown option '--nothing'/);
  const missing = await pricelane(["start", "--role", "follower"]);
  t.equal(missing.code, 2);
  t.match(missing.stderr, /^pricelane: CONFIG_INVALID: .*key: rollupFile.*PRICELANE_ROLLUP.*\n$/);
  const port = await pricelane(["start"], { env: { PRICELANE_RPC_PORT: "http" } });
  t.equal(port.code, 2);

  const rollup = join(t.testdir({ "r.json": JSON.stringify(ROLLUP_FILE) }), "r.json");
  const args = ["start", "--role", "sequencer", "--rollup", rollup, "--data-dir", "/nonexistent/x"];
  const wrongKey = await pricelane([...args, "--l1-rpc-url", "http://127.0.0.1:1"], {
    env: { PRICELANE_SEQUENCER_KEY: `0x${"43".repeat(32)}`, PRICELANE_BATCHER_KEY: `0x${KEY}` },
  });
  t.equal(wrongKey.code, 2);
  t.match(wrongKey.stderr, /CONFIG_INVALID.*PRICELANE_SEQUENCER_KEY/);
  t.notMatch(wrongKey.stderr, /4343/);
});

t.test("keys are made, imported and read back, never overwritten", async (t) => {
  const dir = t.testdir({ password: "pass word\nsecond line" });
  const passwordFile = join(dir, "password");
  const out = join(dir, "imported.json");
  const args = ["keys", "import", "--out", out, "--password-file", passwordFile];
  const imported = await pricelane(args, { input: `0x${KEY}\n` });
  t.same(imported, { code: 0, stdout: `${SENDER}\n`, stderr: "" });
  t.equal(statSync(out).mode & 0o777, 0o600);
  const text = readFileSync(out, "utf8");
  t.notOk(text.includes(KEY));
  const decrypted = await decryptKey(JSON.parse(text), "pass word");
  t.ok(decrypted.ok && Buffer.from(decrypted.value).toString("hex") === KEY);

  const again = await pricelane(args, { input: KEY });
  t.equal(again.code, 2);
  t.match(again.stderr, /--out/);
  t.equal(readFileSync(out, "utf8"), text);

  const address = await pricelane(["keys", "address", out, "--password-file", passwordFile]);
  t.equal(address.stdout, `${SENDER}\n`);
  writeFileSync(passwordFile, "other");
  const wrong = await pricelane(["keys", "address", out, "--password-file", passwordFile]);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /^pricelane: KEY_INVALID: .*wrong password.*\n$/);

  const made = join(dir, "new.json");
  const fresh = await pricelane(["keys", "new", "--out", made, "--password-file", passwordFile]);
  t.match(fresh, { code: 0, stdout: /^0x[0-9a-f]{40}\n$/ });
  t.ok(existsSync(made));
  const noKey = await pricelane(["keys", "import", "--out", join(dir, "x.json")], { input: "42" });
  t.equal(noKey.code, 2);
  t.match(noKey.stderr, /KEY_INVALID/);
  const noPassword = await pricelane(["keys", "new", "--out", join(dir, "x.json")]);
  t.match(noPassword, { code: 2, stderr: /--password-file/ });
});

t.test("keys refuse an empty password and files that are no key files", async (t) => {
  const key = `0x${KEY}`;
  const dir = t.testdir({ empty: "\nsecond line", password: "p", key, list: "[]" });
  const out = join(dir, "new.json");
  for (const command of ["new", "import"]) {
    const args = ["keys", command, "--out", out, "--password-file", join(dir, "empty")];
    const refused = await pricelane(args, { input: key });
    t.match(refused, { code: 2, stderr: /^pricelane: KEY_INVALID: .*password is empty\)\n$/ });
    t.notOk(existsSync(out));
  }
  for (const file of ["key", "list"]) {
    const args = ["keys", "address", join(dir, file), "--password-file", join(dir, "password")];
    const refused = await pricelane(args);
    t.match(refused, { code: 2, stderr: /^pricelane: KEY_INVALID: .*not a JSON object\)\n$/ });
    t.notOk(refused.stderr.includes(KEY));
  }
});

t.test("a program is run with its arguments and its exit code passed on", async (t) => {
  const dir = t.testdir({
    "exit.mjs": "process.exit(Number(process.argv[2]))",
    "killed.mjs": 'process.kill(process.pid, "SIGKILL")',
  });
  t.equal(await runProgram(join(dir, "exit.mjs"), ["7"]), 7);
  t.equal(await runProgram(join(dir, "killed.mjs"), []), 137);
});

t.test("signals reach the program that is run", async (t) => {
  const module = new URL("../../rpc/cli/devnet.js", import.meta.url).href;
  const dir = t.testdir({
    "child.mjs": `
      process.on("SIGTERM", () => process.exit(9));
      setInterval(() => undefined, 1000);
      console.log("up");`,
    "parent.mjs": `
      import { runProgram } from ${JSON.stringify(module)};
      process.exit(await runProgram(process.argv[2], []));`,
  });
  const parent = spawn(process.execPath, [join(dir, "parent.mjs"), join(dir, "child.mjs")]);
  parent.stdout.once("data", () => parent.kill("SIGTERM"));
  t.match(await finish(parent), { code: 9, stdout: "up\n" });
});
