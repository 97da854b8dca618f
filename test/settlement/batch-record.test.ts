/** The batch in flight on disk: what was saved comes back, and damage is not taken for a batch. */
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { ZERO_HASH } from "../../lanes/bytes.ts";
import {
  type BatchRecord,
  batchRecordPath,
  createBatchRecordFile,
} from "../../node/settlement/batch-record.ts";

const record: BatchRecord = {
  header: {
    index: 3,
    previousBatchHash: ZERO_HASH,
    firstBlock: 7,
    lastBlock: 9,
    lastBlockHash: `0x${"01".repeat(32)}`,
    stateRoot: ZERO_HASH,
    withdrawalRoot: ZERO_HASH,
    flashRoot: ZERO_HASH,
    laneStateHash: ZERO_HASH,
    firstOrigin: 5,
    lastOriginNumber: 6,
    lastOriginHash: ZERO_HASH,
    delayedCount: 0,
    delayedAcc: ZERO_HASH,
    term: 1,
    payloadHash: ZERO_HASH,
  },
  payload: Uint8Array.of(0, 255, 3),
  signature: new Uint8Array(65).fill(4),
  attempts: [
    {
      hash: ZERO_HASH,
      nonce: 8,
      gas: 21_000n,
      maxFeePerGas: 2n ** 70n,
      maxPriorityFeePerGas: 1n,
      maxFeePerBlobGas: 2n,
    },
  ],
  reverts: 1,
};

t.test("saved records come back, beside the data folder", async (t) => {
  const path = batchRecordPath(join(t.testdir(), "sequencer/"));
  t.match(path, /sequencer\.batch\.json$/);
  const file = createBatchRecordFile(path);
  t.equal(await file.load(), null);
  await file.save(record);
  t.same(await file.load(), record);
  const unsigned = { ...record, signature: null, attempts: [], reverts: 0 };
  await file.save(unsigned);
  t.same(await createBatchRecordFile(path).load(), unsigned);
  await t.rejects(stat(`${path}.new`), { code: "ENOENT" });
  await file.remove();
  t.equal(await file.load(), null);
});

t.test("a damaged record is an error, not an empty one", async (t) => {
  const path = batchRecordPath(join(t.testdir(), "sequencer"));
  const file = createBatchRecordFile(path);
  await file.save(record);
  const text = await readFile(path, "utf8");
  for (const damaged of [
    text.slice(0, -5),
    "",
    text.replace('"version":1', '"version":2'),
    text.replace('"nonce":8', '"nonce":-8'),
    text.replace(ZERO_HASH, "0x00"),
  ]) {
    t.not(damaged, text);
    await writeFile(path, damaged);
    await t.rejects(file.load(), { code: "STORAGE_CORRUPT" });
  }
});
