import t from "tap";
import { NodeError } from "../../node/errors.ts";
import type { Operation } from "../../node/storage/database.ts";
import { createWriter } from "../../node/storage/writer.ts";

const operation = (n: number): Operation[] => [{ key: Uint8Array.of(n), payload: null }];

t.test("one batch at a time, in the order of the calls", async (t) => {
  const log: string[] = [];
  const release: (() => void)[] = [];
  const writer = createWriter(async ([first]) => {
    log.push(`start ${first?.key[0]}`);
    await new Promise<void>((resolve) => release.push(resolve));
    log.push(`end ${first?.key[0]}`);
  });
  const calls = [1, 2].map((n) => writer.write(() => operation(n)));
  while (release.length < 1) await Promise.resolve();
  t.same(log, ["start 1"]);
  release[0]!();
  while (release.length < 2) await Promise.resolve();
  t.same(log, ["start 1", "end 1", "start 2"]);
  release[1]!();
  await Promise.all(calls);
});

t.test("after a failed write nothing is written any more", async (t) => {
  let calls = 0;
  const disk = new NodeError("STORAGE_FAILED", { reason: "EIO" });
  const writer = createWriter(async () => {
    calls += 1;
    throw disk;
  });
  const failed = writer.write(() => operation(1));
  const behind = writer.write(() => operation(2));
  await t.rejects(failed, { code: "STORAGE_FAILED", data: { reason: "EIO" } });
  await t.rejects(behind, { code: "STORAGE_FAILED", data: { reason: "stopped" }, cause: disk });
  await t.rejects(
    writer.write(() => operation(3)),
    { code: "STORAGE_FAILED" },
  );
  t.equal(calls, 1, "a write is never tried again");
});

t.test("a refusal before the write does not stop the writer, anything else does", async (t) => {
  const written: number[] = [];
  const writer = createWriter(async ([first]) => {
    written.push(first?.key[0] ?? -1);
  });
  const refuse = writer.write(() => {
    throw new NodeError("BLOCK_NOT_FOUND");
  });
  await t.rejects(refuse, { code: "BLOCK_NOT_FOUND" });
  await writer.write(() => operation(1));
  await t.rejects(
    writer.write(() => {
      throw new TypeError("half a batch");
    }),
    /half a batch/,
  );
  await t.rejects(
    writer.write(() => operation(2)),
    { code: "STORAGE_FAILED" },
  );
  t.same(written, [1]);
});

t.test("more writers than the bound are sent away; closing waits for those inside", async (t) => {
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const writer = createWriter(() => gate);
  const inside = Array.from({ length: 4096 }, () => writer.write(() => operation(1)));
  await t.rejects(
    writer.write(() => operation(1)),
    { code: "STORAGE_BUSY" },
  );
  let drained = false;
  const draining = writer.drain().then(() => (drained = true));
  await t.rejects(
    writer.write(() => operation(1)),
    { code: "STORAGE_FAILED" },
  );
  t.notOk(drained);
  open();
  await Promise.all([...inside, draining]);
  t.ok(drained);
});
