import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { folderAt, lockFolder } from "../../devnet/folder.ts";

t.test("one owner at a time; a dead owner's lock is taken over", async (t) => {
  const folder = folderAt(join(t.testdir(), "new", "folder"));
  const lock = lockFolder(folder);
  t.equal(readFileSync(folder.pidFile, "utf8").trim(), String(process.pid));

  // This test's parent lives as long as the test.
  writeFileSync(folder.pidFile, String(process.ppid));
  t.throws(() => lockFolder(folder), {
    name: "DevnetError",
    message: new RegExp(`another devnet \\(pid ${process.ppid}\\)`),
  });
  lock.release();
  t.ok(existsSync(folder.pidFile), "a lock that is somebody else's is not released");

  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(folder.pidFile, String(dead));
  const taken = lockFolder(folder);
  taken.release();
  t.notOk(existsSync(folder.pidFile));

  writeFileSync(folder.pidFile, "not a number");
  lockFolder(folder).release();
});

t.test("a folder with something else in it is not touched", async (t) => {
  const dir = t.testdir({ "letter.txt": "dear …" });
  t.throws(() => lockFolder(folderAt(dir)), { message: /holds something else \(letter.txt\)/ });
  t.notOk(existsSync(join(dir, "devnet.pid")));
});

t.test("chain data without its rollup config is damage", async (t) => {
  const dir = t.testdir({ data: {} });
  t.throws(() => lockFolder(folderAt(dir)), { message: /damaged folder .*no rollup\.json/ });
});

t.test("what an interrupted first start leaves is no obstacle", async (t) => {
  const folder = folderAt(t.testdir({ logs: {}, l1: {} }));
  lockFolder(folder).release();
  mkdirSync(folder.dataDir("sequencer"), { recursive: true });
  writeFileSync(folder.rollupFile, "{}");
  lockFolder(folder).release();
  t.pass("nor what a complete one leaves");
});

t.test("a path that is a file is refused in one line", async (t) => {
  const dir = t.testdir({ file: "" });
  t.throws(() => lockFolder(folderAt(join(dir, "file"))), {
    message: /^cannot use folder [^\n]*$/,
  });
});
