/** Threads that take turns. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import t from "tap";
import { SharedTurn } from "../../node/workers/shared-turn.ts";

const [WORKING, DONE, MET_ANOTHER] = [0, 1, 2];
const [THREADS, ROUNDS] = [3, 30];

t.test("who waits no longer goes on without its turn, and takes nobody's", async (t) => {
  const turn = SharedTurn.create();
  let end: () => void = () => undefined;
  const held = turn.hold(() => new Promise<void>((resolve) => (end = resolve)));
  t.equal(await turn.hold(() => Promise.resolve("done"), 5), "done");
  t.equal(await turn.hold(() => Promise.resolve("again"), 5), "again", "it is still another's");
  end();
  await held;
  t.equal(await turn.hold(() => Promise.resolve("free")), "free");
});

t.test("one works, and all get their turns", async (t) => {
  const counts = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
  const workerData = { turn: SharedTurn.create().memory, counts, rounds: ROUNDS };
  const url = new URL("./fixtures/turn-thread.js", import.meta.url);
  const threads = Array.from({ length: THREADS }, () => new Worker(url, { workerData }));
  const codes = await Promise.all(threads.map((thread) => once(thread, "exit")));
  t.same(codes, Array(THREADS).fill([0]));
  const words = new Int32Array(counts);
  t.equal(words[WORKING], 0);
  t.equal(words[DONE], THREADS * ROUNDS);
  t.equal(words[MET_ANOTHER], 0);
});
