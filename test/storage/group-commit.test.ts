import t from "tap";
import type { Operation } from "../../node/storage/database.ts";
import { createGroupCommit } from "../../node/storage/group-commit.ts";
import type { Journal } from "../../node/storage/journal.ts";
import type { JournalRecord } from "../../node/storage/store.ts";
import { createWriter } from "../../node/storage/writer.ts";

const MEGABYTE = 1024 * 1024;

function record(accepted: number, bytes = 10): JournalRecord {
  return { accepted: BigInt(accepted), kind: 1, bytes: new Uint8Array(bytes) };
}

/** A group commit whose disk writes only when told; each batch is the numbers it appends. */
function createSlowDisk() {
  const batches: number[][] = [];
  const release: (() => void)[] = [];
  const writer = createWriter(async (operations: readonly Operation[]) => {
    batches.push(operations.map(({ key }) => key[0] ?? 0));
    await new Promise<void>((resolve) => release.push(resolve));
  });
  const journal: Journal = {
    lastAccepted: () => 0n,
    append: (records) =>
      records.map(({ accepted, bytes }) => ({
        key: Uint8Array.of(Number(accepted)),
        payload: bytes,
      })),
    settle: (numbers) =>
      numbers.map((accepted) => ({ key: Uint8Array.of(Number(accepted)), payload: null })),
    state: () => ({ key: Uint8Array.of(255), payload: null }),
    load: async () => [],
  };
  const started = async (count: number): Promise<void> => {
    while (release.length < count) await Promise.resolve();
  };
  return { group: createGroupCommit(journal, writer), batches, release, started };
}

t.test("what arrives during a batch goes into the next, and is answered with it", async (t) => {
  const { group, batches, release, started } = createSlowDisk();
  const answered: number[] = [];
  const append = (accepted: number): Promise<unknown> =>
    group.append([record(accepted)]).then(() => answered.push(accepted));
  const calls = [append(1)];
  await started(1);
  calls.push(append(2), append(3), append(4));
  t.same(answered, []);
  release[0]?.();
  await started(2);
  t.same(answered, [1], "nothing of a batch is answered before it is on disk");
  release[1]?.();
  await Promise.all(calls);
  t.same(batches, [
    [1, 255],
    [2, 3, 4, 255],
  ]);
});

t.test("a batch takes four megabytes, and a larger call by itself", async (t) => {
  const { group, batches, release, started } = createSlowDisk();
  const calls = [1, 2, 3].map((accepted) => group.append([record(accepted, 1.5 * MEGABYTE)]));
  calls.push(group.append([record(4, 5 * MEGABYTE)]), group.append([record(5)]));
  for (let batch = 1; batch <= 4; batch++) {
    await started(batch);
    release[batch - 1]?.();
  }
  await Promise.all(calls);
  t.same(batches, [
    [1, 2, 255],
    [3, 255],
    [4, 255],
    [5, 255],
  ]);
});

t.test("what waits is bounded; a refused call may come again", async (t) => {
  const { group, release, started } = createSlowDisk();
  const calls = [group.append([record(1)])];
  await started(1);
  for (let accepted = 2; accepted <= 65; accepted++)
    calls.push(group.append([record(accepted, MEGABYTE)]));
  await t.rejects(group.append([record(66, MEGABYTE)]), {
    code: "STORAGE_BUSY",
    data: { waitingBytes: 64 * MEGABYTE },
  });
  for (let batch = 1; batch <= 17; batch++) {
    await started(batch);
    release[batch - 1]?.();
  }
  await Promise.all(calls);
  const again = group.append([record(66, MEGABYTE)]);
  await started(18);
  release[17]?.();
  await again;
});
