/** Batches from L1: what becomes safe, what is void, and that the verdict depends on L1 alone. */
import { join } from "node:path";
import t, { type Test } from "tap";
import { type Hex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { type BatchClaims, batchFlashRoot, heldBlocks } from "../../node/chain/batch-content.ts";
import type { DecodedBatch } from "../../node/chain/safe.ts";
import { decodeSignedBlock } from "../../node/primitives/block.ts";
import type { StoredBlock } from "../../node/storage/store.ts";
import {
  FAST_SELECTOR,
  FEED,
  GENESIS_ORIGIN,
  l1Block,
  openRig,
  openSequencer,
  type Rig,
  signed,
} from "../sequencer/fixtures/rig.ts";
import { parseAttributes } from "../../node/chain/attributes.ts";

const WRONG: Hex = `0x${"ab".repeat(32)}`;

function storedBlock(rig: Rig, number: number): StoredBlock {
  const stored = rig.store.blockByNumber(number);
  if (stored === null) throw new Error(`no block ${number}`);
  return stored;
}

function originOf(stored: StoredBlock): number {
  const first = stored.block.transactions[0];
  const attributes = first?.type === 0x7e ? parseAttributes(first) : null;
  if (attributes?.ok !== true) throw new Error("no attributes");
  return attributes.value.originNumber;
}

/** The batch that an honest batcher would post for these blocks. */
function honestBatch(
  rig: Rig,
  first: number,
  last: number,
  claims: Partial<BatchClaims> = {},
): DecodedBatch {
  const stored = Array.from({ length: last - first + 1 }, (_, i) => storedBlock(rig, first + i));
  const end = stored.at(-1)!;
  const lastOrigin = l1Block(originOf(end));
  const header: BatchClaims = {
    index: 0,
    previousBatchHash: ZERO_HASH,
    firstBlock: first,
    lastBlock: last,
    lastBlockHash: end.block.hash,
    stateRoot: end.block.header.stateRoot,
    withdrawalRoot: end.block.header.withdrawalsRoot,
    flashRoot: batchFlashRoot(stored),
    laneStateHash: ZERO_HASH,
    firstOrigin: originOf(stored[0]!),
    lastOriginNumber: lastOrigin.number,
    lastOriginHash: lastOrigin.hash,
    delayedCount: 0,
    delayedAcc: ZERO_HASH,
    term: 1,
    ...claims,
  };
  const blocks = stored.map((one) => ({
    number: one.block.header.number,
    timestamp: one.block.header.timestamp,
    origin: l1Block(originOf(one)),
    laneData: one.laneData,
    transactions: one.block.transactions.filter(({ type }) => type !== 0x7e).map(({ raw }) => raw),
  }));
  const l1 = l1Block(40);
  return { header, batchHash: WRONG, blocks, l1Block: { number: l1.number, hash: l1.hash } };
}

async function scene(t: Test): Promise<{ leader: Rig; fresh: Rig; informed: Rig }> {
  const dir = t.testdir({ leader: {}, fresh: {}, informed: {} });
  const leader = await openRig(join(dir, "leader"), "sequencer");
  const fresh = await openRig(join(dir, "fresh"));
  const informed = await openRig(join(dir, "informed"));
  t.teardown(() => Promise.all([leader.close(), fresh.close(), informed.close()]));
  const { admission, published, build } = await openSequencer(leader);
  for (let nonce = 0; nonce < 4; nonce++) {
    await admission.submit(await signed(0, { nonce, value: 1n }));
    await admission.submit(await signed(1, { nonce, to: FEED, data: `${FAST_SELECTOR}00` }));
    await build(1);
  }
  for (const bytes of published) {
    const block = decodeSignedBlock(bytes);
    if (!block.ok) throw new Error(block.code);
    t.match(await informed.chain.importSigned(block.value), { ok: true });
  }
  return { leader, fresh, informed };
}

t.test(
  "an honest batch is safe for whoever holds the blocks, and for whoever has only L1",
  async (t) => {
    const { leader, fresh, informed } = await scene(t);
    const batch = honestBatch(leader, 1, 4);
    for (const rig of [leader, fresh, informed]) {
      t.same(await rig.safe.applyBatch(batch), { valid: true });
      t.equal(rig.chain.head().hash, leader.chain.head().hash);
      t.same(rig.chain.heads().safe, { number: 4, hash: leader.chain.head().hash });
      t.match(rig.store.cursor(), { nextBatchIndex: 1, previousBatchHash: WRONG });
      t.same(storedBlock(rig, 4).orderHashes, storedBlock(leader, 4).orderHashes);
      t.equal(toHex(storedBlock(rig, 4).laneState), toHex(storedBlock(leader, 4).laneState));
    }
  },
);

t.test("a batch that another thread has compared is safe, while its blocks stand", async (t) => {
  const { leader, fresh, informed } = await scene(t);
  const { blocks, ...held } = honestBatch(leader, 1, 4);
  t.equal(heldBlocks(informed.store, blocks).length, 4);
  t.equal(heldBlocks(fresh.store, blocks).length, 0);
  const [first, second, ...rest] = blocks;
  const lie = { ...second!, timestamp: second!.timestamp + 1 };
  t.equal(heldBlocks(informed.store, [first!, lie, ...rest]).length, 1);
  t.equal(await fresh.safe.applyHeld(held), false, "it has no such block");
  const header = { ...held.header, lastBlockHash: WRONG };
  t.equal(await informed.safe.applyHeld({ ...held, header }), false, "nor that one");
  const late = { ...held.header, firstBlock: 2 };
  t.equal(await informed.safe.applyHeld({ ...held, header: late }), false, "out of order");
  t.equal(informed.chain.heads().safe.number, 0);
  t.equal(await informed.safe.applyHeld(held), true);
  t.same(informed.chain.heads().safe, { number: 4, hash: leader.chain.head().hash });
  t.match(informed.store.cursor(), { nextBatchIndex: 1, previousBatchHash: WRONG });
});

t.test("finality follows the L1 block that carried the batch", async (t) => {
  const { leader } = await scene(t);
  await leader.safe.applyBatch(honestBatch(leader, 1, 3));
  await leader.safe.applyL1({ number: 41, hash: WRONG }, 39);
  t.equal(leader.chain.heads().finalized.number, 0);
  await leader.safe.applyL1({ number: 42, hash: WRONG }, 40);
  t.equal(leader.chain.heads().finalized.number, 3);
  t.match(leader.store.cursor(), { l1Block: { number: 42 }, pendingFinality: [] });
  t.equal(leader.store.heads().finalized.number, 3, "and is durable");
});

t.test("a batch with one false claim is void for everyone, and its index is spent", async (t) => {
  const claims: Partial<BatchClaims>[] = [
    { lastBlockHash: WRONG },
    { stateRoot: WRONG },
    { withdrawalRoot: WRONG },
    { flashRoot: WRONG },
    { laneStateHash: WRONG },
    { firstOrigin: GENESIS_ORIGIN.number + 5 },
    { lastOriginHash: WRONG },
    { lastOriginNumber: GENESIS_ORIGIN.number + 5 },
    { delayedCount: 1 },
    { delayedAcc: WRONG },
    { term: 2 },
    { firstBlock: 2 },
    { lastBlock: 3 },
  ];
  const { leader, fresh, informed } = await scene(t);
  let index = 0;
  for (const claim of claims) {
    const previousBatchHash = index === 0 ? ZERO_HASH : WRONG;
    const batch = honestBatch(leader, 1, 4, { index, previousBatchHash, ...claim });
    const reasons: unknown[] = [];
    for (const rig of [fresh, informed]) {
      const outcome = await rig.safe.applyBatch(batch);
      t.equal(outcome.valid, false, Object.keys(claim).join());
      reasons.push(outcome);
      t.equal(rig.chain.heads().safe.number, 0);
      t.equal(rig.store.cursor()?.nextBatchIndex, index + 1);
    }
    t.same(reasons[0], reasons[1], "the same reason with and without the blocks");
    t.equal(fresh.chain.head().header.number, 0, "nothing of it stays");
    t.equal(informed.chain.head().header.number, 4, "what gossip brought stays");
    index++;
  }
  const repaired = honestBatch(leader, 1, 4, { index, previousBatchHash: WRONG });
  t.same(await fresh.safe.applyBatch(repaired), { valid: true }, "the range may be posted again");
});

t.test("a batch whose content was changed is void", async (t) => {
  const { leader, fresh, informed } = await scene(t);
  const good = honestBatch(leader, 1, 4);
  const [first, ...rest] = good.blocks as [DecodedBatch["blocks"][0], ...DecodedBatch["blocks"]];
  const changed: DecodedBatch["blocks"][0][] = [
    { ...first, transactions: first.transactions.toReversed() },
    { ...first, transactions: first.transactions.slice(1) },
    { ...first, timestamp: first.timestamp + 1 },
    { ...first, laneData: { ...first.laneData, policyHash: WRONG } },
  ];
  for (const [i, block] of changed.entries()) {
    const header = { ...good.header, index: i, previousBatchHash: i === 0 ? ZERO_HASH : WRONG };
    t.match(await fresh.safe.applyBatch({ ...good, header, blocks: [block, ...rest] }), {
      valid: false,
    });
    t.equal(fresh.chain.head().header.number, 0);
  }
  for (const [i, block] of changed.entries()) {
    const header = { ...good.header, index: i, previousBatchHash: i === 0 ? ZERO_HASH : WRONG };
    await informed.safe.applyBatch({ ...good, header, blocks: [block, ...rest] });
    t.equal(informed.chain.head().hash, leader.chain.head().hash, "what gossip brought stays");
    t.ok(storedBlock(informed, 4).signature);
  }
  const [lie] = changed as [DecodedBatch["blocks"][0]];
  const header = { ...good.header, index: changed.length, previousBatchHash: WRONG };
  const outcome = await informed.safe.applyBatch({ ...good, header, blocks: [lie, ...rest] });
  t.equal(outcome.valid, false, "also where the header alone would match the blocks at hand");
});

t.test(
  "a valid batch replaces unsafe blocks that contradict it; a sequencer refuses",
  async (t) => {
    const dir = t.testdir({ one: {}, two: {}, follower: {} });
    const one = await openRig(join(dir, "one"));
    const two = await openRig(join(dir, "two"), "sequencer");
    const follower = await openRig(join(dir, "follower"));
    t.teardown(() => Promise.all([one.close(), two.close(), follower.close()]));
    const first = await openSequencer(one);
    await first.build(2);
    const second = await openSequencer(two);
    await second.admission.submit(await signed(0, { nonce: 0 }));
    await second.build(3);
    for (const bytes of second.published) {
      const block = decodeSignedBlock(bytes);
      if (block.ok) t.match(await follower.chain.importSigned(block.value), { ok: true });
    }
    const batch = honestBatch(one, 1, 2);
    await t.rejects(two.safe.applyBatch(batch), { code: "CHAIN_DIVERGED" });
    t.equal(two.chain.head().header.number, 3);
    t.same(await follower.safe.applyBatch(batch), { valid: true });
    t.equal(follower.chain.head().hash, one.chain.head().hash);
    t.equal(follower.engine.account((await signed(0, { nonce: 0 })).sender).nonce, 0n);
  },
);
