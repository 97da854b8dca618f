/** The pool of threads over a real store: who does what. */
import { join } from "node:path";
import t from "tap";
import { silentLogger } from "../../node/log.ts";
import { connect } from "../../node/port.ts";
import { ThreadLoad } from "../../node/thread-load.ts";
import { COMPRESS_CHANNEL, type CompressService } from "../../node/workers/compress.ts";
import { KZG_CHANNEL, type KzgService } from "../../node/workers/kzg.ts";
import { createWorkerPool } from "../../node/workers/pool.ts";
import { ACCOUNTS, openRig, signed } from "../sequencer/fixtures/rig.ts";

t.test("threads recover, compress and hash blobs", async (t) => {
  const dir = t.testdir();
  const rig = await openRig(dir);
  const failures: unknown[] = [];
  const load = new ThreadLoad("this");
  const pool = await createWorkerPool(
    { size: 2, dataDir: join(dir, "db"), rollup: rig.rollup, verifiers: 1, speculates: true, load },
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

  const threads = ["this", "recover+root", "recover", "compress+kzg", "verify"];
  t.same(new Set(Object.keys(load.shares())), new Set([...threads, "speculate", "witness"]));
  t.same(failures, []);
});
