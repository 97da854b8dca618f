/** A flashblock's record gives back what it was made of, and a damaged one is noticed. */
import t from "tap";
import type { LanePrices } from "../../lanes/lane-data.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";
import { flashblockRecord, readJournal } from "../../node/sequencer/journal-records.ts";
import { executed } from "../lanes/fixtures/promises.ts";

const REPORT = { source: 0, bytes: Uint8Array.of(1, 2, 3) };
const PRICES: LanePrices = {
  conflicts: [[REPORT, { source: 7, bytes: new Uint8Array(0) }]],
  epoch: { cut: 2n ** 71n, reports: [REPORT, REPORT] },
};

t.test("a flashblock and its prices survive their record", async (t) => {
  for (const prices of [PRICES, NO_LANE_PRICES]) {
    const { flashblocks } = readJournal([flashblockRecord(9n, executed(4), prices)]);
    t.same(flashblocks, [{ ...executed(4), prices, record: 9n }]);
  }
});

t.test("a damaged record is told", async (t) => {
  const record = flashblockRecord(9n, executed(2), PRICES);
  const damaged = (bytes: Uint8Array) => () => readJournal([{ ...record, bytes }]);
  const code = { code: "STORAGE_CORRUPT" };
  for (const at of [0, 1, 2, 3, 4, 5, 30]) {
    const bytes = record.bytes.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 0x80;
    t.throws(damaged(bytes), code, `byte ${at}`);
  }
  for (const length of [0, 3, 4, 20, record.bytes.length - 1])
    t.throws(damaged(record.bytes.slice(0, length)), code, `${length} bytes`);
});
