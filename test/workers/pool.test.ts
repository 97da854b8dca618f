/** The pool of threads over a real store: who does what, and at which priority. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { silentLogger } from "../../node/log.ts";
import { connect } from "../../node/port.ts";
import { COMPRESS_CHANNEL, type CompressService } from "../../node/workers/compress.ts";
import { KZG_CHANNEL, type KzgService } from "../../node/workers/kzg.ts";
import { createWorkerPool } from "../../node/workers/pool.ts";
import { ACCOUNTS, openRig, signed } from "../sequencer/fixtures/rig.ts";

/** Niceness of each thread of this process. Source: proc(5), field 19 of `stat`. */
function niceness(): number[] {
  return readdirSync("/proc/self/task").map((id) => {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
}

t.test("threads recover, compress and hash blobs, behind the one that asks", async (t) => {
  const dir = t.testdir();
  const rig = await openRig(dir);
  const failures: unknown[] = [];
  const pool = await createWorkerPool(
    { size: 2, dataDir: join(dir, "db"), rollup: rig.rollup, verifiers: 1 },
    silentLogger,
    (error) => failures.push(error),
  );
  t.teardown(async () => {
    await pool.stop();
    await rig.close();
  });
  const transactions = await Promise.all(ACCOUNTS.map((_, index) => signed(index, { nonce: 0 })));
  const raws = transactions.map(({ raw }) => raw);
  const senders = await pool.recoverSenders([...raws, Uint8Array.of(1, 2, 3)]);
  t.same(senders, [...transactions.map(({ sender }) => sender), null]);

  const port = pool.connectPort();
  const compress = connect<CompressService>(port, COMPRESS_CHANNEL);
  const kzg = connect<KzgService>(port, KZG_CHANNEL);
  const packed = await compress.remote.compress(new Uint8Array(1000));
  t.ok(packed.length < 100);
  t.equal(await kzg.remote.blobToVersionedHash(Uint8Array.of(1)), null, "no blob");
  for (const each of [compress, kzg]) each.close();
  port.close();

  await t.test(
    "priorities",
    { skip: process.platform === "linux" ? false : "threads have priorities on Linux only" },
    async (t) => {
      const behind = niceness().filter((nice) => nice > niceness()[0]!);
      t.equal(behind.length, 4, "two that recover, one for blobs, one that verifies");
    },
  );
  t.same(failures, []);
});
