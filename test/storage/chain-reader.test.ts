import { once } from "node:events";
import { Worker } from "node:worker_threads";
import t from "tap";
import { openChainReader } from "../../node/storage/chain-reader.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import type { BlockCommit } from "../../node/storage/store.ts";
import { createFixtureChain, ROLLUP_HASH } from "./fixtures/chain.ts";
import { COUNTER_ADDRESS, withCounters } from "./fixtures/counters.ts";
import type { WorkerReport } from "./fixtures/read-in-worker.ts";

const BLOCKS = 150;

t.test("a thread sees consistent snapshots while the store commits and rolls back", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(9);
  const store = await createStore({ dataDir });
  await store.initialize(withCounters(chain.genesis), ROLLUP_HASH);
  const worker = new Worker(new URL("./fixtures/read-in-worker.js", import.meta.url), {
    workerData: { dataDir },
  });
  await once(worker, "message");
  const commits: BlockCommit[] = Array.from({ length: BLOCKS }, () => withCounters(chain.next()));
  for (const [i, commit] of commits.entries()) {
    await store.commitBlock(commit);
    if (i % 10 !== 9) continue;
    await store.rollback(i - 2);
    for (const again of commits.slice(i - 2, i + 1)) await store.commitBlock(again);
  }
  worker.postMessage("stop");
  const [report] = (await once(worker, "message")) as [WorkerReport];
  await once(worker, "exit");
  t.same(report.disagreements, []);
  t.ok(report.heads > BLOCKS / 4, `${report.snapshots} snapshots of ${report.heads} heads`);
  await store.close();
});

t.test("a snapshot stays, the reader goes on", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(9);
  const store = await createStore({ dataDir });
  await store.initialize(withCounters(chain.genesis), ROLLUP_HASH);
  const reader = await openChainReader(dataDir);
  const snapshot = reader.snapshot();
  const commit = withCounters(chain.next());
  await store.commitBlock(commit);
  t.equal(snapshot.heads().unsafe.number, 0);
  t.equal(snapshot.state.account(COUNTER_ADDRESS)?.nonce, 0n);
  t.equal(snapshot.blockByNumber(1), null);
  t.equal(reader.heads().unsafe.number, 1);
  t.equal(reader.state.account(COUNTER_ADDRESS)?.nonce, 1n);
  t.strictSame(reader.blockByNumber(1), commit.stored);
  t.strictSame(reader.rawBlock(1), store.rawBlock(1));
  t.strictSame(reader.laneState(1), commit.stored.laneState, "without the block");
  t.equal(reader.laneState(2), null);
  await snapshot.release();
  await reader.close();
  await store.close();
});

t.test("a reader needs a store that exists", async (t) => {
  await t.rejects(openChainReader(t.testdir()), { code: "STORAGE_FAILED" });
});
