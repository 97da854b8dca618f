/** The order in which promises become durable, and what a failure does to those behind it. */
import t from "tap";
import type { AdmissionLeaf } from "../../lanes/admission.ts";
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { silentLogger } from "../../node/log.ts";
import { createAdmission } from "../../node/sequencer/admission.ts";
import { dropRecord, transactionRecord } from "../../node/sequencer/journal-records.ts";
import { createPromiseLog, type PromiseLog } from "../../node/sequencer/promises.ts";
import type { Signer } from "../../node/sequencer/signer.ts";
import type { JournalRecord, Store } from "../../node/storage/store.ts";
import { loadPolicy, policyJson } from "../lanes/fixtures/policy.ts";
import { executed } from "../lanes/fixtures/promises.ts";
import { account, GWEI, PUBLISHER, transaction } from "../txpool/fixtures/pool.ts";
import { signed, virtualClock } from "./fixtures/rig.ts";

type Request = Parameters<Signer["signPromises"]>[0];

/** A signer whose groups end when they are told to. */
function slowSigner() {
  const requests: Request[] = [];
  const ends: ((error: Error | null) => void)[] = [];
  const signer: Pick<Signer, "signPromises"> = {
    signPromises(request) {
      requests.push(request);
      return new Promise((resolve, reject) => {
        ends.push((error) => {
          const flashblocks = request.flashblocks.map(() => new Uint8Array(65));
          if (error === null) resolve({ group: new Uint8Array(65), flashblocks });
          else reject(error);
        });
      });
    },
  };
  return { signer, requests, ends };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const record = (accepted: bigint): JournalRecord => ({
  kind: 1,
  accepted,
  bytes: new Uint8Array(1),
});
const leafOf = (accepted: bigint): AdmissionLeaf => ({
  ...{ hash: ZERO_HASH, accepted, lane: "fast", rank: 1, policyHash: ZERO_HASH, deadlineBlock: 3 },
});
const optionsOf = { term: 1, leaderEpoch: 1, nowMs: () => 0 };

t.test("what stands on another becomes durable after it", async (t) => {
  const { signer, requests, ends } = slowSigner();
  const log = createPromiseLog(signer, optionsOf);
  const done: string[] = [];
  const admitting = log.admit(leafOf(1n), record(1n)).then(() => done.push("admission"));
  const promising = log.flashblock(executed(1), record(2n)).then(() => done.push("flashblock"));
  await turn();
  t.equal(requests.length, 1, "the flashblock waits for the disk to be free");
  t.same(
    requests[0]?.records.map(({ accepted }) => accepted),
    [1n],
  );
  ends[0]?.(null);
  await admitting;
  t.same(done, ["admission"]);
  await turn();
  ends[1]?.(null);
  await promising;
  t.same(done, ["admission", "flashblock"]);
});

t.test("a group is bounded, in number and in bytes", async (t) => {
  const { signer, requests, ends } = slowSigner();
  const log = createPromiseLog(signer, optionsOf);
  const note = (accepted: bigint, bytes: number) =>
    log.note({ kind: 1, accepted, bytes: new Uint8Array(bytes) });
  const sizes = [1, 700_000, 300_000, 100_000, 3_000_000, ...Array<number>(5_000).fill(1)];
  const notes = sizes.map((bytes, at) => note(BigInt(at + 1), bytes));
  for (let group = 0; ends.length > group; group++) {
    ends[group]?.(null);
    await turn();
  }
  await Promise.all(notes);
  t.same(
    requests.map(({ records }) => records.length),
    [1, 2, 1, 1, 4096, 904],
  );
});

t.test("nothing is promised after a failure", async (t) => {
  const { signer, requests, ends } = slowSigner();
  const log = createPromiseLog(signer, optionsOf);
  const admitting = log.admit(leafOf(1n), record(1n));
  const promising = log.flashblock(executed(1), record(2n));
  await turn();
  const full = new Error("no space left on the device");
  ends[0]?.(full);
  await t.rejects(admitting, full);
  await t.rejects(promising, full, "it may stand on what was lost");
  await t.rejects(log.flashblock(executed(1), record(3n)), full, "also later");
  await t.rejects(log.note(record(4n)), full);
  t.equal(requests.length, 1);
});

/** An admission desk over a journal with these records, and what it drops. */
function desk(
  promises: Pick<PromiseLog, "admit" | "note">,
  journal: readonly JournalRecord[] = [],
) {
  const dropped: string[] = [];
  const store: Partial<Store> = {
    loadJournal: () => Promise.resolve(journal),
    settleJournal: () => Promise.resolve(),
    transactionLocation: () => null,
  };
  const policy = loadPolicy(policyJson());
  const admission = createAdmission(
    { chainId: 901, policy, leaderEpoch: 1, globalMax: 16, accountMax: 16 },
    {
      store: store as Store,
      promises,
      clock: virtualClock(0),
      account: () => ({ nonce: 0n, balance: 10n ** 20n }),
      recoverSenders: () => Promise.resolve([]),
      onReady: () => undefined,
      onAccepted: () => undefined,
      onDropped: ({ code }) => dropped.push(code),
      onFailed: () => undefined,
      log: silentLogger,
    },
  );
  return { admission, dropped, policy };
}

t.test("what is taken in before the first block opens has its whole time", async (t) => {
  const { signer, ends } = slowSigner();
  const { admission, dropped, policy } = desk(createPromiseLog(signer, optionsOf));
  await admission.restore(1000);
  const submitting = admission.submit(transaction({ sender: PUBLISHER, lane: "oracle" }));
  admission.openBlock(GWEI, 1001);
  await turn();
  ends[0]?.(null);
  t.match(await submitting, { ok: true, deadlineBlock: 1001 + policy.document.ttlBlocks });
  await turn();
  t.ok(admission.pool.best(1));
  t.same(dropped, []);
});

t.test("while no block is stored, no more is taken in than the log has room for", async (t) => {
  const { raw } = await signed(0, { nonce: 0, data: `0x${"00".repeat(120_000)}` });
  const place = { deadlineBlock: 0, timeMs: 1, rank: 255, conditions: null };
  const journal = Array.from({ length: 600 }, (_, at) => [
    transactionRecord({ accepted: BigInt(2 * at + 1), ...place }, raw),
    dropRecord(BigInt(2 * at + 2), { accepted: BigInt(2 * at + 1), timeMs: 1, code: "EVICTED" }),
  ]).flat();
  const promises = {
    admit: () => new Promise<never>(() => undefined),
    note: () => Promise.resolve(),
  };
  const { admission } = desk(promises, journal);
  await admission.restore(1000);
  const submitted = transaction({ sender: PUBLISHER, lane: "oracle" });
  t.match(await admission.submit(submitted), { ok: false, code: "NOT_ACCEPTING" });
  t.equal(admission.takeSettled().admissions.dropped.length, 600);
  void admission.submit(submitted);
  t.ok(admission.pool.get(submitted.hash), "a block has taken the log");
});

t.test("a fast transaction is executable at once, a normal one when it is durable", async (t) => {
  const policy = loadPolicy(policyJson());
  let fail: () => void = () => undefined;
  let failed: unknown = null;
  const promises: PromiseLog = {
    admit: () =>
      new Promise((_, reject) => {
        fail = () => {
          reject(new Error("enough"));
        };
      }),
    flashblock: () => Promise.reject(new Error("not here")),
    note: () => Promise.resolve(),
  };
  let wakes = 0;
  const admission = createAdmission(
    { chainId: 901, policy, leaderEpoch: 1, globalMax: 16, accountMax: 16 },
    {
      store: {} as Store,
      promises,
      clock: virtualClock(0),
      account: () => ({ nonce: 0n, balance: 10n ** 20n }),
      recoverSenders: () => Promise.resolve([] as readonly (Hex | null)[]),
      onReady: () => {
        wakes += 1;
      },
      onAccepted: () => undefined,
      onDropped: () => undefined,
      onFailed: (error) => {
        failed = error;
      },
      log: silentLogger,
    },
  );
  admission.openBlock(GWEI, 1);
  const normal = transaction({ sender: account(1), lane: "normal" });
  admission.submit(normal).catch(() => undefined);
  t.equal(admission.pool.best(255), undefined);
  const fast = transaction({ sender: PUBLISHER, lane: "oracle" });
  const submitting = admission.submit(fast);
  t.equal(admission.pool.best(1)?.transaction.hash, fast.hash);
  t.equal(wakes, 1);
  fail();
  await t.rejects(submitting, { message: "enough" });
  t.match(failed, { message: "enough" }, "and the node ends");
});
