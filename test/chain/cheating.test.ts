/**
 * A sequencer that signs what it built and cheats (PROTOCOL 4, 8):
 * each way is refused by whoever gets the block from a peer and by whoever derives it from L1, with
 * the same code, and leaves no trace; the honest twin of the block is taken by both.
 */
import t, { type Test } from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import type { LaneData, LaneFlashblock } from "../../lanes/lane-data.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { FAST_SELECTOR, FEED, GENESIS_ORIGIN, signed } from "../sequencer/fixtures/rig.ts";
import type { Draft, DraftFlashblock, Entry } from "./fixtures/cheater.ts";
import { type Refusal, Scene, violates } from "./fixtures/cheating-scene.ts";

const WRONG: Hex = `0x${"ab".repeat(32)}`;

type Call = "oracle" | "rescue" | "liquidation" | "transfer";
const SELECTORS = {
  oracle: FAST_SELECTOR,
  rescue: "0x00000002",
  liquidation: "0x00000003",
} as const;

function send(call: Call, from: number, nonce: number, gas = 100_000n): Promise<UserTransaction> {
  if (call === "transfer") return signed(from, { nonce, gas, value: 1n });
  return signed(from, { nonce, gas, to: FEED, data: `${SELECTORS[call]}00` });
}

const HONEST = {
  origin: GENESIS_ORIGIN,
  laneData: (honest: LaneData) => honest,
  header: {},
};
const draftOf = (flashblocks: readonly DraftFlashblock[], seconds = 1): Draft => ({
  ...HONEST,
  seconds,
  flashblocks,
});
/** Flashblocks 200 ms apart. */
const draft = (...flashblocks: readonly (readonly Entry[])[]): Draft =>
  draftOf(
    flashblocks.map((entries, index) => ({ afterMs: 200 * (index + 1), leaderEpoch: 1, entries })),
  );
/** The honest twin with other LaneData. */
const saying = (twin: Draft, change: (honest: LaneData) => Partial<LaneData>): Draft => ({
  ...twin,
  laneData: (honest) => ({ ...honest, ...change(honest) }),
});
const sayingOf = (twin: Draft, at: number, change: (one: LaneFlashblock) => object): Draft =>
  saying(twin, ({ flashblocks }) => ({
    flashblocks: flashblocks.map((one, index) => (index === at ? { ...one, ...change(one) } : one)),
  }));

/** A number for each: accepted 2n-1 and ready 2n. */
const entry = (transaction: UserTransaction, n: number, ready = 2 * n): Entry => ({
  transaction,
  accepted: 2 * n - 1,
  ready,
});

/** A parent that all have, and the honest block on it: every class, two flashblocks. */
async function twinScene(t: Test) {
  const scene = await Scene.open(t);
  const parent = draft([
    entry(await send("oracle", 1, 0), 10),
    entry(await send("transfer", 0, 0), 20),
  ]);
  await scene.accepts(parent, "the parent");
  const e = {
    a: entry(await send("oracle", 1, 1), 31),
    b: entry(await send("oracle", 2, 0), 32),
    rescue: entry(await send("rescue", 3, 0), 33),
    d: entry(await send("transfer", 0, 1), 34),
    e: entry(await send("transfer", 0, 2), 35),
    late: entry(await send("oracle", 2, 1), 36),
    liquidation: entry(await send("liquidation", 4, 0), 37),
    last: entry(await send("transfer", 5, 0), 38),
  };
  const first = [e.a, e.b, e.rescue, e.d, e.e];
  const second = [e.late, e.liquidation, e.last];
  return { scene, e, first, second, twin: draft(first, second), parent };
}

t.test("the order of a block", async (t) => {
  const { scene, e, first, second, twin } = await twinScene(t);
  const { a, b, rescue, d, late, liquidation, last } = e;
  const cheats: readonly (readonly [string, Draft, Refusal])[] = [
    [
      "two prices reordered inside a flashblock",
      draft([b, a, rescue, d, e.e], second),
      violates("READY_NOT_INCREASING", { flashblock: 0, index: 2, rank: 1 }),
    ],
    [
      "a transfer promoted before a rescue",
      draft([a, b, d, rescue, e.e], second),
      violates("RANK_DECREASES", { index: 4, rank: 2, before: 255 }),
    ],
    [
      "a price demoted behind the transfers",
      draft([a, rescue, d, e.e, b], second),
      violates("RANK_DECREASES", { index: 5, rank: 1, before: 255 }),
    ],
    [
      "a liquidation promoted before a price",
      draft(first, [liquidation, late, last]),
      violates("RANK_DECREASES", { flashblock: 1, index: 7, rank: 1, before: 3 }),
    ],
    [
      "a price overtaken in its own block",
      draft(first, [{ ...late, accepted: 59, ready: 60 }, liquidation, last]),
      violates("OVERTAKEN", { index: 6, rank: 1, blocksBefore: 0, by: 2 }),
    ],
    [
      "a price overtaken a block before, where it had room",
      draft([{ ...a, accepted: 37, ready: 38 }, b, rescue, d, e.e], second),
      violates("OVERTAKEN", { index: 1, rank: 1, blocksBefore: 1, by: 255 }),
    ],
    [
      "two transfers of one sender exchanged",
      draft([a, b, rescue, e.e, d], second),
      violates("NONCE_NOT_INCREASING", { index: 5 }),
    ],
    [
      "a transaction replayed in its own block",
      draft(first, [late, liquidation, { ...d, accepted: 75, ready: 76 }]),
      violates("NONCE_NOT_INCREASING", { flashblock: 1, index: 8 }),
    ],
  ];
  for (const [name, lie, refusal] of cheats) await scene.refuses(lie, refusal, name);
  await scene.accepts(twin, "the twin");
});

t.test("a class over its share of the block", async (t) => {
  const { scene, second, e } = await twinScene(t);
  const priced = async (gas: bigint): Promise<Entry[]> => [
    entry(await send("oracle", 1, 1, 200_000n), 31),
    entry(await send("oracle", 2, 0, 200_000n), 32),
    entry(await send("oracle", 2, 1, gas), 33),
  ];
  const [, liquidation, last] = second;
  await scene.refuses(
    draft([...(await priced(130_001n)), e.d], [liquidation!, last!]),
    violates("CLASS_CAP_EXCEEDED", { flashblock: 0, index: 3, rank: 1 }),
    "a gas more than the share",
  );
  await scene.accepts(
    draft([...(await priced(130_000n)), e.d], [liquidation!, last!]),
    "the share",
  );
});

t.test("who waits because its class was full was not overtaken", async (t) => {
  const scene = await Scene.open(t);
  const transfer = entry(await send("transfer", 0, 0), 20);
  const waiting = { accepted: 9, ready: 30 };
  const prices = [
    entry(await send("oracle", 1, 0, 200_000n), 1),
    entry(await send("oracle", 1, 1, 200_000n), 2),
  ];
  await scene.accepts(draft([...prices, transfer]), "a block full of prices");
  const small = { transaction: await send("oracle", 2, 0, 130_000n), ...waiting };
  await scene.refuses(
    draft([small]),
    violates("OVERTAKEN", { index: 1, blocksBefore: 1, by: 255 }),
    "one that had room",
  );
  const large = { transaction: await send("oracle", 2, 0, 130_001n), ...waiting };
  await scene.accepts(draft([large]), "one that had none");
});

t.test("the numbers of a block", async (t) => {
  const { scene, e, first, second, twin } = await twinScene(t);
  const { a, late, liquidation, last } = e;
  const withLast = (numbers: Partial<Entry>) =>
    draft(first, [late, liquidation, { ...last, ...numbers }]);
  const cheats: readonly (readonly [string, Draft, Refusal])[] = [
    [
      "an accepted number replayed",
      withLast({ accepted: a.accepted }),
      violates("ACCEPTED_NOT_UNIQUE", { index: 8 }),
    ],
    [
      "a ready number replayed",
      withLast({ accepted: 1, ready: a.ready }),
      violates("READY_NOT_UNIQUE", { index: 8 }),
    ],
    ["ready when accepted", withLast({ accepted: 76 }), violates("READY_NOT_AFTER_ACCEPTED")],
    ["ready before accepted", withLast({ accepted: 77 }), violates("READY_NOT_AFTER_ACCEPTED")],
    ["no accepted number", withLast({ accepted: 0 }), violates("NUMBER_OUT_OF_RANGE")],
    ["no ready number", withLast({ ready: 0 }), violates("NUMBER_OUT_OF_RANGE")],
    [
      "a number missing",
      saying(twin, ({ numbers }) => ({ numbers: numbers.slice(1) })),
      violates("NUMBER_COUNT_WRONG", { expected: 8, found: 7 }),
    ],
    [
      "no numbers at all",
      saying(twin, () => ({ numbers: [] })),
      violates("NUMBER_COUNT_WRONG", { expected: 8, found: 0 }),
    ],
    [
      "a number too many",
      saying(twin, ({ numbers }) => ({ numbers: [...numbers, { accepted: 1n, ready: 2n }] })),
      violates("NUMBER_COUNT_WRONG", { expected: 8, found: 9 }),
    ],
    [
      "somebody else's numbers",
      saying(twin, ({ numbers }) => ({ numbers: numbers.toReversed() })),
      violates("READY_NOT_INCREASING", { index: 2 }),
    ],
  ];
  for (const [name, lie, refusal] of cheats) await scene.refuses(lie, refusal, name);
  await scene.accepts(draft(first, second), "the twin");
});

t.test("the flashblocks of a block, and its times", async (t) => {
  const { scene, twin, first, second } = await twinScene(t);
  const outOfRange = violates("FLASHBLOCK_TIME_OUT_OF_RANGE");
  const cheats: readonly (readonly [string, Draft, Refusal])[] = [
    [
      "time going back",
      sayingOf(twin, 0, ({ timestampMs }) => ({ timestampMs: timestampMs + 201 })),
      violates("FLASHBLOCK_TIME_DECREASES", { flashblock: 1 }),
    ],
    [
      "a flashblock past the block's time",
      sayingOf(twin, 1, ({ timestampMs }) => ({ timestampMs: timestampMs - 400 + 1001 })),
      outOfRange,
    ],
    [
      "a flashblock at the parent's time",
      sayingOf(twin, 0, ({ timestampMs }) => ({ timestampMs: timestampMs - 200 })),
      outOfRange,
    ],
    [
      "a flashblock before the parent",
      sayingOf(twin, 0, ({ timestampMs }) => ({ timestampMs: timestampMs - 5_000 })),
      outOfRange,
    ],
    ["a block at its parent's time", { ...twin, seconds: 0 }, violates("BLOCK_TIME_TOO_EARLY")],
    [
      "a leader epoch going back",
      sayingOf(twin, 1, () => ({ leaderEpoch: 0 })),
      violates("LEADER_EPOCH_DECREASES", { flashblock: 1 }),
    ],
    [
      "another policy",
      saying(twin, () => ({ policyHash: WRONG })),
      violates("POLICY_HASH_WRONG", { found: WRONG }),
    ],
    ["a count too small", sayingOf(twin, 1, () => ({ txCount: 2 })), violates("TX_COUNT_WRONG")],
    ["a count too large", sayingOf(twin, 0, () => ({ txCount: 7 })), violates("TX_COUNT_WRONG")],
    [
      "more flashblocks than the policy allows",
      draft(first, second, [], [], []),
      violates("FLASHBLOCK_COUNT_OUT_OF_RANGE", { max: 4, found: 5 }),
    ],
    [
      "attributes in no flashblock of their own",
      saying(twin, ({ flashblocks: [head, ...rest] }) => ({
        flashblocks: [{ ...head!, txCount: 0 }, { ...head! }, ...rest],
      })),
      violates("ATTRIBUTES_MISSING"),
    ],
  ];
  for (const [name, lie, refusal] of cheats) await scene.refuses(lie, refusal, name);
  await scene.accepts(draft(first, second, [], []), "a twin with as many flashblocks as it may");
});

t.test("what execution gives, and where the block stands", async (t) => {
  const { scene, e, first, second, twin, parent } = await twinScene(t);
  const mismatch: Refusal = {
    gossip: { code: "BLOCK_RESULT_MISMATCH" },
    derived: { code: "BATCH_VOID", field: "lastBlockHash" },
  };
  const lies: readonly (readonly [string, Draft["header"], Refusal])[] = [
    ["less gas used", { gasUsed: 21_000n }, mismatch],
    ["other receipts", { receiptsRoot: WRONG }, mismatch],
    ["another state", { stateRoot: WRONG }, mismatch],
    ["other withdrawals", { withdrawalsRoot: WRONG }, mismatch],
    ["other logs", { logsBloom: new Uint8Array(256).fill(1) }, mismatch],
    ["more gas than a block has", { gasLimit: 120_000_000n }, mismatch],
    ["another base fee", { baseFeePerGas: 7n }, mismatch],
    ["fees for somebody else", { beneficiary: FEED }, mismatch],
    [
      "another parent",
      { parentHash: WRONG },
      { ...mismatch, gossip: { code: "BLOCK_PARENT_UNKNOWN" } },
    ],
  ];
  for (const [name, header, refusal] of lies)
    await scene.refuses({ ...twin, header }, refusal, name);

  const [old] = parent.flashblocks[0]!.entries;
  const refusal = { code: "BLOCK_RESULT_MISMATCH", index: 1, reason: "NONCE_TOO_LOW" };
  await scene.refuses(
    draft([{ ...e.last, transaction: old!.transaction }]),
    { gossip: refusal, derived: refusal },
    "a transaction replayed from the block before",
  );
  await scene.refusesClaims(twin, { stateRoot: WRONG }, "stateRoot");
  await scene.refusesClaims(twin, { withdrawalRoot: WRONG }, "withdrawalRoot");
  await scene.refusesClaims(twin, { flashRoot: WRONG }, "flashRoot");
  // Ranks are not in a block, but in what its flashblocks' signatures cover, and the batch repeats.
  await scene.refusesPromoted(twin);
  await scene.refusesPromoted(draft([e.d]));
  await scene.accepts(draft(first, second), "the twin");
});
