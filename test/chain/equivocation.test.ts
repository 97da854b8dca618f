/**
 * A sequencer that signs two blocks for one position: a follower that gets both keeps both, says so
 * loudly, and goes on with the first. Whatever is honest leaves no trace.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { contradictEachOther } from "../../lanes/evidence.ts";
import type { LaneData } from "../../lanes/lane-data.ts";
import { blockCommitment, isSigned } from "../../node/chain/commitment.ts";
import {
  createEquivocationWatch,
  type EquivocationWatch,
  UNPLACED_MAX,
} from "../../node/chain/equivocation.ts";
import { type Logger, silentLogger } from "../../node/log.ts";
import { createFollow } from "../../node/p2p/follow.ts";
import {
  decodeSignedBlock,
  encodeSignedBlock,
  type UnverifiedBlock,
} from "../../node/primitives/block.ts";
import type { L1Origin } from "../../node/primitives/l1-origin.ts";
import { EQUIVOCATIONS_MAX } from "../../node/storage/equivocations.ts";
import {
  GENESIS_ORIGIN,
  l1Block,
  openRig,
  type Rig,
  signed,
  virtualClock,
} from "../sequencer/fixtures/rig.ts";
import { signingDomain } from "../../node/rollup-config.ts";
import { type Draft, type Entry, signDraft } from "./fixtures/cheater.ts";

interface Alarm {
  readonly message: string;
  readonly data: object;
}

interface Scene {
  readonly dir: string;
  readonly leader: Rig;
  readonly follower: Rig;
  readonly watch: EquivocationWatch;
  readonly alarms: Alarm[];
  readonly log: Logger;
  /** L1 as the follower sees it. */
  l1: (number: number) => L1Origin | null;
}

function watchOf(rig: Rig, originAt: (number: number) => L1Origin | null, log: Logger) {
  const { sequencer } = rig.rollup;
  return createEquivocationWatch({
    store: rig.store,
    domain: signingDomain(rig.rollup),
    sequencer,
    originAt: (number) => Promise.resolve(originAt(number)),
    log,
  });
}

async function open(t: Test): Promise<Scene> {
  const dir = t.testdir({ leader: {}, follower: {} });
  const leader = await openRig(join(dir, "leader"));
  const follower = await openRig(join(dir, "follower"));
  t.teardown(() => Promise.all([leader.close(), follower.close()]));
  const alarms: Alarm[] = [];
  const log: Logger = {
    ...silentLogger,
    error: (message, data = {}) => alarms.push({ message, data }),
  };
  const scene: Omit<Scene, "watch"> = { dir, leader, follower, alarms, log, l1: l1Block };
  const watch = watchOf(follower, (number) => scene.l1(number), log);
  return Object.assign(scene, { watch });
}

const draft = (entries: readonly Entry[], change: Partial<Draft> = {}): Draft => ({
  seconds: 1,
  origin: GENESIS_ORIGIN,
  laneData: (honest: LaneData) => honest,
  header: {},
  flashblocks: [{ afterMs: 100, leaderEpoch: 1, entries }],
  ...change,
});
const bytesOf = (block: UnverifiedBlock) =>
  encodeSignedBlock(block, block.laneData, block.signature);

/** A transfer of account `from`, its first. */
const transfer = async (from: number, n: number): Promise<Entry> => ({
  transaction: await signed(from, { nonce: 0, value: 1n }),
  accepted: 2 * n - 1,
  ready: 2 * n,
});

/** Two honest blocks for one position, in whatever else they differ. */
async function pair({ leader }: Scene, other: Partial<Draft> = {}) {
  const [a, b] = [await transfer(0, 1), await transfer(1, 2)];
  const one = await signDraft(leader, draft([a, b]));
  const two = await signDraft(leader, draft([b, a], other));
  return [one.block, two.block] as const;
}

/** As the follower does with a block that came. */
async function arrive({ follower, watch }: Scene, block: UnverifiedBlock): Promise<boolean> {
  const { ok } = await follower.chain.importSigned(block);
  await watch.saw(block, bytesOf(block), ok);
  return ok;
}

/** What is kept can be checked by anybody who has the sequencer's address. */
function proves(t: Test, scene: Scene, number: number, blocks: readonly UnverifiedBlock[]): void {
  const [record] = scene.follower.store.equivocations();
  t.equal(record?.number, number);
  const commitments = (record?.blocks ?? []).map((bytes, at) => {
    const decoded = decodeSignedBlock(bytes);
    if (!decoded.ok) throw new Error(decoded.code);
    const { sequencer } = scene.follower.rollup;
    const commitment = blockCommitment(decoded.value);
    if (!commitment.ok) throw new Error(commitment.code);
    const signer = { domain: signingDomain(scene.follower.rollup), sequencer };
    t.ok(isSigned(commitment.value, decoded.value.signature, signer), `signature ${at}`);
    t.equal(toHex(bytes), toHex(bytesOf(blocks[at]!)), `whole block ${at}`);
    return commitment.value;
  });
  t.ok(contradictEachOther(commitments[0]!, commitments[1]!));
  const [shown] = scene.watch.found();
  t.match(shown, { number, blocks: commitments });
  t.same(
    shown?.blocks.map(({ signature }) => signature),
    blocks.map(({ signature }) => toHex(signature!)),
  );
}

t.test("a second block of a height that reaches a follower is kept and told", async (t) => {
  const scene = await open(t);
  const [one, two] = await pair(scene);
  t.not(one.hash, two.hash);
  const { follower, watch, log } = scene;
  const alarmed = new Promise<Alarm>((resolve) => {
    const error: Logger["error"] = (message, data = {}) => {
      scene.alarms.push({ message, data });
      resolve({ message, data });
    };
    Object.assign(log, { error });
  });
  const follow = createFollow({
    chain: follower.chain,
    equivocation: watch,
    network: {
      blocksByRange: () => Promise.resolve([]),
      bestPeerHead: () => Promise.resolve(null),
    },
    clock: virtualClock(0),
    log: silentLogger,
    fail: (error) => {
      t.fail(error);
    },
  });
  follow.start();
  follow.onBlock(bytesOf(one));
  follow.onBlock(bytesOf(two));
  t.match(await alarmed, {
    message: "the sequencer signed two blocks for one position",
    data: { code: "SEQUENCER_EQUIVOCATED", number: 1, first: one.hash, second: two.hash },
  });
  follow.stop();
  t.equal(follower.chain.head().hash, one.hash, "the first one stays");
  proves(t, scene, 1, [one, two]);
  const { orderHashes } = follower.store.equivocations()[0]!;
  t.same(orderHashes, follower.store.blockByNumber(1)?.orderHashes, "what E1 would compare");
  t.same(follow.refusals(), [], "no peer is to blame");
});

t.test("the proof outlives the block, the process, and being told again", async (t) => {
  const scene = await open(t);
  const [one, two] = await pair(scene);
  await arrive(scene, one);
  await arrive(scene, two);
  await arrive(scene, two);
  await arrive(scene, one);
  t.equal(scene.alarms.length, 1, "one alarm");
  const { follower, dir } = scene;
  await follower.chain.exclusive(() => follower.chain.rollback(0));
  proves(t, scene, 1, [one, two]);
  await follower.close();
  const again = await openRig(join(dir, "follower"));
  t.teardown(() => again.close());
  t.same(watchOf(again, l1Block, silentLogger).found(), scene.watch.found());
});

t.test("a block that was refused before the good one came counts too", async (t) => {
  const scene = await open(t);
  const [bad, good] = await pair(scene, {});
  const lie = await signDraft(
    scene.leader,
    draft([await transfer(2, 3)], { header: { gasUsed: 1n } }),
  );
  t.equal(await arrive(scene, lie.block), false);
  t.equal(scene.alarms.length, 0);
  t.equal(await arrive(scene, good), true);
  proves(t, scene, 1, [lie.block, good]);
  await arrive(scene, bad);
  t.equal(scene.watch.found().length, 1, "one proof a height");
});

t.test("the same block with other LaneData is another promise", async (t) => {
  const scene = await open(t);
  const [one] = await pair(scene);
  const [a, b] = [await transfer(0, 1), await transfer(1, 3)];
  const { block: two } = await signDraft(scene.leader, draft([a, b]));
  t.equal(one.hash, two.hash);
  await arrive(scene, one);
  await arrive(scene, two);
  proves(t, scene, 1, [one, two]);
});

t.test("what is honest, or not the sequencer's, is no proof", async (t) => {
  const scene = await open(t);
  const [one] = await pair(scene);
  const [b, a] = [await transfer(1, 1), await transfer(0, 2)];
  const stranger: Hex = `0x${"77".repeat(32)}`;
  const forged = await signDraft(scene.leader, draft([b, a]), stranger);
  const early = await signDraft(scene.leader, draft([a], { header: { number: 9 } }));
  const gone: L1Origin = { ...l1Block(11), hash: `0x${"ee".repeat(32)}` };
  const reorged = await signDraft(scene.leader, draft([b, a], { seconds: 3, origin: gone }));
  for (const block of [early.block, one, one, forged.block, reorged.block, early.block])
    await arrive(scene, block);
  t.equal(scene.follower.chain.head().hash, one.hash);
  t.same(scene.watch.found(), []);
  t.same(scene.alarms, []);
});

t.test("two origins that L1 both has are one position; it may have to be waited for", async (t) => {
  const scene = await open(t);
  const [one] = await pair(scene);
  const [b, a] = [await transfer(1, 1), await transfer(0, 2)];
  const next = await signDraft(scene.leader, draft([b, a], { seconds: 3, origin: l1Block(11) }));
  scene.l1 = (number) => (number <= 10 ? l1Block(number) : null);
  await arrive(scene, one);
  await arrive(scene, next.block);
  t.same(scene.watch.found(), [], "L1 has not got there yet");
  scene.l1 = l1Block;
  await arrive(scene, one);
  proves(t, scene, 1, [one, next.block]);
});

t.test("the memory of blocks that are in no chain is bounded, the oldest forgotten", async (t) => {
  const scene = await open(t);
  const [a, b] = [await transfer(0, 1), await transfer(1, 2)];
  const at = async (number: number, entry: Entry) =>
    (await signDraft(scene.leader, draft([entry], { header: { number } }))).block;
  for (let number = 10; number <= 10 + UNPLACED_MAX; number++)
    await arrive(scene, await at(number, a));
  await arrive(scene, await at(10, b));
  t.same(scene.watch.found(), [], "forgotten");
  await arrive(scene, await at(10 + UNPLACED_MAX, b));
  t.match(scene.watch.found(), [{ number: 10 + UNPLACED_MAX }]);
});

t.test("so many proofs are kept, and the first ones; alarms go on", async (t) => {
  const scene = await open(t);
  const [a, b] = [await transfer(0, 1), await transfer(1, 2)];
  for (let number = 10; number <= 10 + EQUIVOCATIONS_MAX; number++)
    for (const entry of [a, b]) {
      const lie = await signDraft(scene.leader, draft([entry], { header: { number } }));
      await arrive(scene, lie.block);
    }
  t.equal(scene.follower.store.equivocations().length, EQUIVOCATIONS_MAX);
  t.equal(scene.watch.found().length, EQUIVOCATIONS_MAX);
  t.equal(scene.watch.found()[0]?.number, 10);
  t.equal(scene.alarms.length, EQUIVOCATIONS_MAX + 1);
  t.match(scene.alarms.at(-1)?.data, { isKept: false });
});
