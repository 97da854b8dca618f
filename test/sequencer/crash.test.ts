/**
 * The node dies between any two steps of a promise: persist, sign, tell. Whatever was told stands
 * in the chain afterwards, at its place; whatever was acknowledged is in a block, or waits.
 * ACCEPTANCE row 55.
 */
import t from "tap";
import { flashblockOrderHash, type SignedFlashblock } from "../../lanes/signed-flashblock.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { dropRecord, transactionRecord } from "../../node/sequencer/journal-records.ts";
import { FAST_SELECTOR, FEED, openRig, openSequencer, signed } from "./fixtures/rig.ts";

class Crash extends Error {
  override readonly name = "Crash";
}

const POINTS = ["before persist", "after persist", "after sign", "after tell"] as const;
/** Flashblocks that pass before the node dies. */
const PASSED = [0, 1, 2];

t.test("a crash at any point breaks no promise", async (t) => {
  for (const point of POINTS)
    for (const passed of PASSED)
      await t.test(`${point}, ${passed} flashblocks later`, async (t) => {
        const dir = t.testdir();
        const before = await openRig(dir);
        const acknowledged: UserTransaction[] = [];
        const told: SignedFlashblock[] = [];
        let left = passed;
        let isArmed = false;
        const append = before.store.appendJournal.bind(before.store);
        before.store.appendJournal = async (records, marks = [], admission) => {
          const dies = isArmed && marks.length > 0 && left-- <= 0;
          if (dies && point === "before persist") throw new Crash();
          await append(records, marks, admission);
          if (dies && point === "after persist") throw new Crash();
        };
        const run = await openSequencer(before, {
          onFlashblock(flashblock) {
            if (point === "after sign" && isArmed && left-- <= 0) throw new Crash();
            told.push(flashblock);
            if (point === "after tell" && isArmed && left-- <= 0) throw new Crash();
          },
          onTurn: async () => {
            const nonce = acknowledged.length;
            if (nonce >= 12) return;
            const fast = await signed(1, { nonce, to: FEED, data: FAST_SELECTOR });
            acknowledged.push(fast);
            const answer = await run.admission.submit(fast).catch(() => null);
            if (answer?.ok !== true) acknowledged.pop();
          },
        });
        await run.build(1);
        isArmed = true;
        await t.rejects(run.build(3), Crash);
        await before.chain.exclusive(() => Promise.resolve());
        await before.close();

        const after = await openRig(dir);
        t.teardown(() => after.close());
        const rerun = await openSequencer(after);
        await rerun.build(3);
        for (const flashblock of told) {
          const { blockNumber, index } = flashblock.header;
          const stored = after.store.blockByNumber(blockNumber);
          t.equal(stored?.orderHashes[index], flashblockOrderHash(flashblock));
        }
        for (const { hash } of acknowledged)
          t.ok(
            after.store.transactionLocation(hash) !== null ||
              rerun.admission.pool.get(hash) !== undefined,
            hash,
          );
      });
});

t.test("a later transaction of its nonce does not put a promised one out", async (t) => {
  const dir = t.testdir();
  const promised = await signed(0, { nonce: 0 });
  const rival = await signed(0, { nonce: 0, tip: 2_000_000n, maxFeePerGas: 20_000_000_000n });
  let rig = await openRig(dir);
  let run = await openSequencer(rig);
  rig.store.commitBlock = () => Promise.reject(new Crash());
  const answer = await run.admission.submit(promised);
  await t.rejects(run.build(1), Crash);
  t.ok(answer.ok && run.flashblocks.length > 0);
  // As a node leaves them that took the rival in while it corrected results, and, of an older
  // version, put the promised one out at its next start.
  const accepted = (1n << 40n) + 100n;
  const place = { deadlineBlock: 0, timeMs: 1, rank: 255, conditions: null };
  const number = answer.ok ? answer.accepted : 0n;
  await rig.store.appendJournal([
    transactionRecord({ accepted, ...place }, rival.raw),
    dropRecord(accepted + 1n, { accepted: number, timeMs: 1, code: "REPLACED" }),
  ]);
  await rig.close();
  for (const again of [true, false]) {
    rig = await openRig(dir);
    run = await openSequencer(rig);
    // The second crash comes when the drop is durable and nothing is built.
    if (again) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await rig.close();
    }
  }
  t.teardown(() => rig.close());
  await run.build(1);
  t.ok(rig.store.transactionLocation(promised.hash), "as promised");
  t.equal(rig.store.transactionLocation(rival.hash), null);
  t.match(rig.store.drop(rival.hash), { code: "NONCE_TOO_LOW" });
  t.equal(rig.store.drop(promised.hash), null);
});
