/**
 * The signer's compare-and-set on a real store: one signature a position, across restarts and old
 * copies of folders. ACCEPTANCE row 54.
 */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { fromHex, type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import type { FlashblockHeader } from "../../lanes/flashblock.ts";
import { FlashblockLeaves } from "../../lanes/flashblock-leaves.ts";
import { type AdmissionGroup, admissionGroupDigest, flashblockDigest } from "../../lanes/signed.ts";
import {
  type ExecutedFlashblock,
  flashblockOrderHash,
  flashblockResultHash,
} from "../../lanes/signed-flashblock.ts";
import { addressOf, recoverSigner } from "../../node/primitives/signature.ts";
import { checkSigner, createSigner, type Signer } from "../../node/sequencer/signer.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import type { Store } from "../../node/storage/store.ts";
import { openRig, openSequencer, SEQUENCER_KEY, signed } from "./fixtures/rig.ts";

const DOMAIN = { chainId: 901, l1ChainId: 900, settlement: `0x${"5e".repeat(20)}` } as const;
const KEY = fromHex(SEQUENCER_KEY);
const hash = (byte: string): Hex => `0x${byte.repeat(32)}`;

async function open(t: Test, dataDir = t.testdir()): Promise<{ store: Store; signer: Signer }> {
  const store = await createStore({ dataDir });
  return { store, signer: createSigner(KEY, DOMAIN, store) };
}

function flashblock(
  blockNumber: number,
  index: number,
  change: Partial<FlashblockHeader> = {},
  gasUsed = 21_000n,
): ExecutedFlashblock {
  const leaves = new FlashblockLeaves();
  const txHash = hash("01");
  leaves.add(
    { txHash, rank: 255, rule: 65_535, accepted: 5n, ready: 6n, gasLimit: 21_000n },
    { txHash, status: 1, gasUsed },
  );
  const header: FlashblockHeader = {
    ...{ chainId: 901, term: 1, leaderEpoch: 1, lastForced: 0, blockNumber, index },
    ...{ parentOrderHash: ZERO_HASH, l1OriginNumber: 10, l1OriginHash: hash("0a") },
    ...{ timestamp: 1_700_000_001, policyHash: hash("0b"), txCount: 1 },
    ...{ laneRoot: leaves.laneRoot(), timestampMs: 1_700_000_000_500 },
    ...change,
  };
  return { header, resultRoot: leaves.resultRoot(), gasUsed, leaves: leaves.bytes() };
}

function group(firstAccepted: bigint, root: Hex = hash("0c")): AdmissionGroup {
  const numbers = { term: 1, leaderEpoch: 1, firstAccepted, count: 1, issuedAtMs: 7 };
  return { ...numbers, root, previousRoot: ZERO_HASH };
}

const promise = (signer: Signer, executed: ExecutedFlashblock) =>
  signer.signPromises({ records: [], group: null, flashblocks: [executed] });
const admit = (signer: Signer, of: AdmissionGroup) =>
  signer.signPromises({ records: [], group: of, flashblocks: [] });

t.test("a flashblock's position has one order, whatever its results", async (t) => {
  const dataDir = t.testdir();
  let { store, signer } = await open(t, dataDir);
  const executed = flashblock(7, 3);
  const { flashblocks } = await promise(signer, executed);
  const digest = flashblockDigest(DOMAIN, {
    orderHash: flashblockOrderHash(executed),
    resultHash: flashblockResultHash(executed),
  });
  t.equal(recoverSigner(digest, flashblocks[0]!), addressOf(KEY));
  for (let run = 0; run < 2; run++) {
    t.same((await promise(signer, executed)).flashblocks, flashblocks, "the same again");
    t.resolves(promise(signer, flashblock(7, 3, {}, 20_000n)), "corrected results");
    for (const other of [{ timestampMs: 1_700_000_000_501 }, { l1OriginHash: hash("0d") }])
      await t.rejects(promise(signer, flashblock(7, 3, other)), { code: "SIGNATURE_CONFLICT" });
    await promise(signer, flashblock(7, 4));
    await store.close();
    ({ store, signer } = await open(t, dataDir));
  }
  await store.raiseSignedFloor(7);
  await t.rejects(promise(signer, executed), { code: "SIGNATURE_CONFLICT" }, "done with");
  await t.rejects(promise(signer, flashblock(6, 0)), { code: "SIGNATURE_CONFLICT" });
  t.equal((await promise(signer, flashblock(8, 0))).flashblocks.length, 1);
  await store.close();
});

t.test("admission groups go up, and none is signed in two ways", async (t) => {
  const dataDir = t.testdir();
  let { store, signer } = await open(t, dataDir);
  const first = await admit(signer, group(40n));
  t.equal(recoverSigner(admissionGroupDigest(DOMAIN, group(40n)), first.group!), addressOf(KEY));
  await admit(signer, group(50n));
  await store.close();
  ({ store, signer } = await open(t, dataDir));
  t.ok(await admit(signer, group(50n)), "the same again");
  for (const other of [group(50n, hash("0d")), group(49n), group(1n)])
    await t.rejects(admit(signer, other), { code: "SIGNATURE_CONFLICT" });
  t.ok(await admit(signer, group(51n)));
  await store.close();
});

t.test("what did not become durable is not signed", async (t) => {
  const { store, signer } = await open(t);
  const failing = createSigner(KEY, DOMAIN, {
    ...store,
    appendJournal: () => Promise.reject(new Error("disk")),
  });
  await t.rejects(promise(failing, flashblock(1, 0)), /disk/);
  await t.rejects(admit(failing, group(1n)), /disk/);
  t.equal(store.signedMark("flashblock", 1, 0), null);
  t.ok(await promise(signer, flashblock(1, 0, { timestampMs: 1 })), "nothing stands in the way");
  await store.close();
});

t.test("a height and a batch index have one signature", async (t) => {
  const dataDir = t.testdir();
  let { store, signer } = await open(t, dataDir);
  const block = (laneDataHash: Hex) => ({
    ...{ number: 9, blockHash: hash("01"), laneDataHash, term: 1, leaderEpoch: 1, lastForced: 0 },
    ...{ l1OriginNumber: 10, l1OriginHash: hash("0a") },
  });
  const signature = await signer.signBlock(block(hash("02")));
  await store.close();
  ({ store, signer } = await open(t, dataDir));
  t.same(await signer.signBlock(block(hash("02"))), signature);
  await t.rejects(signer.signBlock(block(hash("03"))), { code: "SIGNATURE_CONFLICT" });
  await store.raiseSignedFloor(9);
  await t.rejects(signer.signBlock(block(hash("02"))), { code: "SIGNATURE_CONFLICT" });
  await store.close();
});

/**
 * A chain of some blocks, a copy of one of its folders, and more blocks after it; the newest of
 * them without its signature where it `crashes` between the two.
 */
async function withOldCopy(t: Test, folder: "chain" | "journal", crashes = false): Promise<string> {
  const dir = t.testdir();
  for (const step of ["before", "after"]) {
    const rig = await openRig(dir);
    const { admission, build } = await openSequencer(rig);
    await admission.submit(await signed(0, { nonce: step === "before" ? 0 : 1 }));
    await build(2);
    if (step === "after" && crashes) {
      rig.store.saveSignature = () => Promise.reject(new Error("crash"));
      await t.rejects(build(1), /crash/);
      t.equal(rig.store.blockByNumber(rig.store.heads().unsafe.number)?.signature, null);
    }
    await rig.close();
    if (step === "before")
      await cp(join(dir, "db", folder), join(dir, "copy"), { recursive: true });
  }
  await rm(join(dir, "db", folder), { recursive: true });
  await cp(join(dir, "copy"), join(dir, "db", folder), { recursive: true });
  return dir;
}

t.test("an old copy of the chain's folder is refused", async (t) => {
  const rig = await openRig(await withOldCopy(t, "chain"));
  t.teardown(() => rig.close());
  await t.rejects(openSequencer(rig), { code: "SIGNER_AHEAD" });
});

for (const crashes of [false, true])
  t.test(`an old copy of the journal beside a head ${crashes ? "not " : ""}signed`, async (t) => {
    const dir = await withOldCopy(t, "journal", crashes);
    await t.rejects(openRig(dir), { code: "SIGNER_BEHIND" });
    await rm(join(dir, "db", "journal"), { recursive: true });
    await t.rejects(openRig(dir), { code: "JOURNAL_MISSING" }, "no folder at all");
  });

t.test("a signed chain that came from elsewhere has a signer that does not know it", async (t) => {
  const { store } = await open(t);
  t.throws(
    () => {
      checkSigner(store, { number: 3, isSigned: true });
    },
    { code: "SIGNER_BEHIND" },
  );
  checkSigner(store, { number: 3, isSigned: false });
  await store.raiseSignedFloor(3);
  checkSigner(store, { number: 3, isSigned: true });
  await store.close();
});

t.test("marks that a crash left below the floor go with the next block's", async (t) => {
  const dataDir = t.testdir();
  const { store, signer } = await open(t, dataDir);
  for (const block of [3, 4, 5, 6]) await promise(signer, flashblock(block, 0));
  await promise(signer, flashblock(4, 300));
  await store.raiseSignedFloor(5);
  const marks = [3, 4, 5, 6].map((block) => store.signedMark("flashblock", block, 0)?.height);
  t.same(marks, [undefined, undefined, undefined, 6]);
  t.equal(store.signedMark("flashblock", 4, 300), null);
  await store.close();
});
