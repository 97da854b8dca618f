/**
 * After an outage a block begins with an epoch, which tells contracts of it: built, followed,
 * derived from L1, promised through a crash, and demanded.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { checkBlockJson } from "../../lanes/block-json.ts";
import { EPOCH_SENDER, PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import { decodeLeaves } from "../../lanes/flashblock-leaves.ts";
import { encodeFlashblock, type SignedFlashblock } from "../../lanes/signed-flashblock.ts";
import { readAdmissionLog } from "../../node/admission-log.ts";
import type { UnverifiedBlock } from "../../node/primitives/block.ts";
import { openReader } from "../../node/reader.ts";
import type { RpcContext } from "../../rpc/context.ts";
import { createLaneMethods } from "../../rpc/methods/lane.ts";
import { trustOf } from "../../rpc/sdk/trust.ts";
import {
  batchHashOf,
  batchOf,
  type Draft,
  signDraft,
  type SignedDraft,
} from "../chain/fixtures/cheater.ts";
import { decoded } from "./fixtures/decoded.ts";
import { readPriceFeeds } from "./fixtures/price-feeds.ts";
import {
  FAST_SELECTOR,
  FEED,
  GENESIS_ORIGIN,
  l1Block,
  openRig,
  openSequencer,
  type Rig,
  signed,
} from "./fixtures/rig.ts";

const OUTAGE_MS = 31_000;

const fast = (from: number, nonce: number) =>
  signed(from, { nonce, to: FEED, data: `${FAST_SELECTOR}00` });

async function open(t: Test, name: string): Promise<{ rig: Rig; dir: string }> {
  const dir = join(t.testdirName, name);
  const rig = await openRig(dir);
  t.teardown(() => rig.close());
  return { rig, dir };
}

/** Whether a flashblock holds an epoch. */
function hasEpoch({ leaves }: SignedFlashblock): boolean {
  const found = decodeLeaves(leaves);
  return found.ok && found.value.some(({ lane }) => lane.rank === 0 && lane.ready > 0n);
}

/** A block of the rig as one that a batch holds. */
function draftOf({ store }: Rig, block: UnverifiedBlock, origin: SignedDraft["origin"]) {
  const orderHashes = store.blockByNumber(block.header.number)?.orderHashes ?? [];
  return { block, orderHashes, origin };
}

t.test("the first block after 31 seconds begins with an epoch, for everybody", async (t) => {
  t.testdir({ leader: {}, follower: {}, deriver: {} });
  const { rig: leader, dir } = await open(t, "leader");
  const { rig: follower } = await open(t, "follower");
  const { rig: deriver } = await open(t, "deriver");
  const { admission, published, build, clock } = await openSequencer(leader);
  await admission.submit(await fast(1, 0));
  await build(1);
  // The open block was begun before the outage; the one after it comes late.
  clock.advance(OUTAGE_MS);
  for (let nonce = 1; nonce < 4; nonce++) await admission.submit(await fast(1, nonce));
  await admission.submit(await signed(0, { nonce: 0, value: 1n }));
  await build(3);
  const blocks = published.map(decoded);
  const withEpoch = blocks.filter(({ laneData }) =>
    laneData.flashblocks.some(({ epoch }) => epoch !== null),
  );
  t.equal(withEpoch.length, 1);
  const late = withEpoch[0]!;
  const before = blocks.find(({ header }) => header.number === late.header.number - 1)!;
  t.ok(late.header.timestamp - before.header.timestamp > 30);
  const [first] = late.laneData.flashblocks;
  t.same(first?.epoch?.reports, []);
  t.ok((first?.epoch?.cut ?? 0n) >= 1n << 40n, "complete up to a number of this leader epoch");
  const [, second] = late.transactions;
  t.match(second, { type: 0x7e, sender: EPOCH_SENDER, to: PRICE_FEEDS });
  const executed = late.laneData.numbers.length;
  t.ok(executed > 0, `${executed} of users`);

  const apply = follower.engine.apply.bind(follower.engine);
  for (const [index, block] of blocks.entries()) {
    if (block === late) {
      follower.engine.apply = async (transaction, options) => {
        const result = await apply(transaction, options);
        const isEpoch = result.ok && transaction.sender === EPOCH_SENDER;
        return isEpoch ? { ...result, receipt: { ...result.receipt, status: 0 } } : result;
      };
      const verdict = await follower.chain.importSigned(block);
      t.match(verdict, { ok: false, data: { reason: "the epoch failed" } });
      follower.engine.apply = apply;
    }
    t.match(await follower.chain.importSigned(block), { ok: true }, "from a peer");
    const origin = l1Block(follower.chain.head().origin.number);
    const batch = batchOf(draftOf(leader, block, origin), {
      index,
      previousBatchHash: batchHashOf(index - 1),
    });
    t.same(await deriver.safe.applyBatch(batch), { valid: true }, "from L1");
  }
  for (const { chain } of [follower, deriver]) {
    t.equal(chain.head().hash, leader.chain.head().hash);
    t.same(chain.head().laneState, leader.chain.head().laneState);
  }
  t.equal(follower.chain.head().laneState.prices.epoch, 1);

  const { rollup, policy } = leader;
  const reader = await openReader({ dataDir: join(dir, "db"), rollup, policy });
  t.teardown(() => reader.close());
  t.same(await readPriceFeeds(reader, "newestEpoch", []), {
    number: 1n,
    timeMs: BigInt(first?.timestampMs ?? 0),
    downSinceMs: 1000n * BigInt(before.header.timestamp),
    upSinceMs: BigInt(first?.timestampMs ?? 0),
  });
  t.ok(reader.flashblock(late.header.number, 0), "the stored flashblock is the one signed");
  const methods = createLaneMethods({ reader, rollup, policy } as unknown as RpcContext);
  const answer = methods["lane_block"]?.call([`0x${late.header.number.toString(16)}`], null);
  if (answer?.ok !== true) throw new Error("no lane_block");
  const json = JSON.parse(JSON.stringify(answer.value)) as unknown;
  t.match(
    checkBlockJson(json, trustOf(rollup)),
    { ok: true },
    "whoever reads lane_block can check it",
  );
});

for (const [name, isCrash] of [
  ["a crash", true],
  ["a stop", false],
] as const)
  t.test(`${name} after the epoch was promised changes nothing of it`, async (t) => {
    t.testdir({ leader: {} });
    const dir = join(t.testdirName, "leader");
    let rig = await openRig(dir);
    t.teardown(() => rig.close());
    let told: SignedFlashblock | undefined;
    let run = await openSequencer(rig, {
      onFlashblock(flashblock) {
        if (told !== undefined || !hasEpoch(flashblock)) return;
        told = flashblock;
        if (isCrash) throw new Error("crash");
        run.sequencer.stop();
      },
    });
    await run.build(1);
    run.clock.advance(OUTAGE_MS);
    await run.admission.submit(await fast(1, 0));
    if (isCrash) {
      await t.rejects(run.build(3), { message: "crash" });
      await rig.chain.exclusive(() => Promise.resolve());
      await rig.close();
      rig = await openRig(dir);
      run = await openSequencer(rig);
    } else await run.sequencer.run();
    const { blockNumber, index } = told!.header;
    t.equal(index, 0);
    t.ok(rig.chain.head().header.number < blockNumber, "it is in no block yet");
    const again = run.flashblocks.length;
    await run.build(2);
    const rebuilt = run.flashblocks.slice(again).find(hasEpoch);
    t.same(encodeFlashblock(rebuilt!), encodeFlashblock(told!), "byte for byte");
    const stored = rig.store.blockByNumber(blockNumber);
    t.same(stored?.flashblockSignatures[0], told!.signature);
    t.equal(rig.chain.head().laneState.prices.epoch, 1, "and no other one");
    await rig.close();
    const folders = { dataDir: join(dir, "db"), journalDir: null };
    const { blocks } = await readAdmissionLog(folders, 1, blockNumber, 6_000_000);
    const gas = blocks.map(({ gas: { systemGas } }) => systemGas);
    t.same(new Set(gas), new Set([1_000_000n]), "an epoch takes nothing from the classes");
    rig = await openRig(dir);
  });

t.test("nobody takes a block that says nothing of the outage before it", async (t) => {
  t.testdir({ leader: {}, follower: {}, deriver: {} });
  const { rig: leader } = await open(t, "leader");
  const { rig: follower } = await open(t, "follower");
  const { rig: deriver } = await open(t, "deriver");
  const draft = (seconds: number): Draft => ({
    seconds,
    origin: GENESIS_ORIGIN,
    flashblocks: [{ afterMs: 1000 * seconds, leaderEpoch: 1, entries: [] }],
    laneData: (honest) => honest,
    header: {},
  });
  const lie = await signDraft(leader, draft(31));
  const refused = { code: "LANE_VIOLATION", violation: "EPOCH_MISSING", flashblock: 0 };
  const verdict = await follower.chain.importSigned(lie.block);
  t.match(verdict.ok ? {} : { code: verdict.code, ...verdict.data }, refused, "from a peer");
  const outcome = await deriver.safe.applyBatch(
    batchOf(lie, { index: 0, previousBatchHash: batchHashOf(-1) }),
  );
  t.match(outcome.valid ? {} : JSON.parse(outcome.reason), refused, "from L1");
  const honest = await signDraft(leader, draft(30));
  t.match(await follower.chain.importSigned(honest.block), { ok: true }, "30 seconds are none");
});
