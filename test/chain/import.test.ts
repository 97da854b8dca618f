/**
 * What a follower refuses: each planted fault gets its code and changes nothing. Blocks are signed
 * with the right key: a cheating sequencer, not a stranger (gossip's tests have those).
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import {
  decodeSignedBlock,
  encodeSignedBlock,
  type UnverifiedBlock,
} from "../../node/primitives/block.ts";
import { type Header, headerHash } from "../../node/primitives/header.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import {
  FAST_SELECTOR,
  FEED,
  GENESIS_ORIGIN,
  openRig,
  openSequencer,
  type Rig,
  signed,
} from "../sequencer/fixtures/rig.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";

/** Two honest blocks with fast and normal transactions, and a follower that has neither. */
async function scene(t: Test): Promise<{ follower: Rig; blocks: UnverifiedBlock[] }> {
  const dir = t.testdir({ leader: {}, follower: {} });
  const leader = await openRig(join(dir, "leader"));
  const follower = await openRig(join(dir, "follower"));
  t.teardown(() => Promise.all([leader.close(), follower.close()]));
  const { admission, published, build } = await openSequencer(leader);
  for (let nonce = 0; nonce < 3; nonce++) {
    await admission.submit(await signed(0, { nonce, value: 1n }));
    await admission.submit(await signed(1, { nonce, to: FEED, data: `${FAST_SELECTOR}00` }));
  }
  await build(2);
  const blocks = published.map((bytes) => {
    const decoded = decodeSignedBlock(bytes);
    if (!decoded.ok) throw new Error(decoded.code);
    return decoded.value;
  });
  return { follower, blocks };
}

function withHeader(block: UnverifiedBlock, change: Partial<Header>): UnverifiedBlock {
  const header = { ...block.header, ...change };
  return { ...block, header, hash: headerHash(header) };
}

const WRONG: Hex = `0x${"ab".repeat(32)}`;

t.test("an honest chain is imported; known and early blocks are told apart", async (t) => {
  const { follower, blocks } = await scene(t);
  const [first, second] = blocks as [UnverifiedBlock, UnverifiedBlock];
  t.match(await follower.chain.importSigned(second), { ok: false, code: "BLOCK_PARENT_UNKNOWN" });
  t.match(await follower.chain.importSigned(first), { ok: true });
  t.match(await follower.chain.importSigned(first), { ok: false, code: "BLOCK_ALREADY_KNOWN" });
  t.match(await follower.chain.importSigned(second), { ok: true });
});

t.test("a block whose header is not the result of executing it", async (t) => {
  const { follower, blocks } = await scene(t);
  const [first] = blocks as [UnverifiedBlock];
  const genesis = follower.chain.head().hash;
  const changes: Partial<Header>[] = [
    { stateRoot: WRONG },
    { receiptsRoot: WRONG },
    { transactionsRoot: WRONG },
    { withdrawalsRoot: WRONG },
    { gasUsed: first.header.gasUsed + 1n },
    { gasLimit: first.header.gasLimit + 1n },
    { baseFeePerGas: first.header.baseFeePerGas + 1n },
    { prevRandao: WRONG },
    { parentBeaconBlockRoot: WRONG },
    { beneficiary: FEED },
    { extraData: new Uint8Array(9) },
  ];
  for (const change of changes) {
    const verdict = await follower.chain.importSigned(withHeader(first, change));
    t.match(verdict, { ok: false, code: "BLOCK_RESULT_MISMATCH" }, Object.keys(change).join());
    t.equal(follower.chain.head().hash, genesis);
  }
  t.match(await follower.chain.importSigned(first), { ok: true }, "the honest block still fits");
});

t.test("a block that breaks a lane rule", async (t) => {
  const { follower, blocks } = await scene(t);
  const [first] = blocks as [UnverifiedBlock];
  const { laneData, transactions } = first;
  t.equal(transactions.length, 7);
  const swapped = [...transactions];
  // A normal transaction before a fast one, their numbers with them.
  [swapped[3], swapped[4]] = [transactions[4]!, transactions[3]!];
  const numbers = [...laneData.numbers];
  [numbers[2], numbers[3]] = [laneData.numbers[3]!, laneData.numbers[2]!];
  const violation = async (block: UnverifiedBlock): Promise<unknown> => {
    const verdict = await follower.chain.importSigned(block);
    return verdict.ok ? null : [verdict.code, verdict.data["violation"]];
  };
  const inOne = [{ ...laneData.flashblocks[0]!, txCount: transactions.length }];
  const order = { ...laneData, numbers, flashblocks: inOne };
  t.same(await violation({ ...first, transactions: swapped, laneData: order }), [
    "LANE_VIOLATION",
    "RANK_DECREASES",
  ]);
  t.match(await violation({ ...first, laneData: { ...laneData, policyHash: WRONG } }), [
    "LANE_VIOLATION",
    /POLICY/,
  ]);
  const late = laneData.flashblocks.map((f) => ({ ...f, timestampMs: f.timestampMs + 5_000 }));
  t.match(await violation({ ...first, laneData: { ...laneData, flashblocks: late } }), [
    "LANE_VIOLATION",
    /TIME/,
  ]);
  t.match(
    await violation({ ...first, laneData: { ...laneData, numbers: laneData.numbers.slice(1) } }),
    ["LANE_VIOLATION", String],
  );
  t.equal(follower.chain.head().header.number, 0);
});

t.test("a block on another L1 origin, or with system transactions of its own", async (t) => {
  const { follower, blocks } = await scene(t);
  const [first, second] = blocks as [UnverifiedBlock, UnverifiedBlock];
  const attributes = first.transactions[0]!;
  const code = async (block: UnverifiedBlock): Promise<unknown> => {
    const verdict = await follower.chain.importSigned(block);
    return verdict.ok ? null : verdict.code;
  };
  t.equal(
    await code({ ...first, transactions: first.transactions.slice(1) }),
    "BLOCK_ORIGIN_INVALID",
  );
  t.equal(
    await code({
      ...first,
      transactions: [second.transactions[0]!, ...first.transactions.slice(1)],
    }),
    "BLOCK_ORIGIN_INVALID",
  );
  t.equal(
    await code({ ...first, transactions: [...first.transactions, attributes] }),
    "BLOCK_ORIGIN_INVALID",
  );
  t.equal(follower.chain.head().header.number, 0);
});

t.test("a block with an invalid signature inside, or too large", async (t) => {
  const { follower, blocks } = await scene(t);
  const [first] = blocks as [UnverifiedBlock];
  const last = first.transactions.at(-1)!;
  if (last.type === 0x7e) throw new Error("expected a user transaction");
  // Another body under the same raw signature recovers to somebody who has no funds.
  const raw = Uint8Array.from(last.raw);
  raw[raw.length - 1] = raw.at(-1)! ^ 1;
  const forged = { ...last, raw };
  const verdict = await follower.chain.importSigned({
    ...first,
    transactions: [...first.transactions.slice(0, -1), forged],
  });
  t.equal(verdict.ok, false);
  t.equal(follower.chain.head().header.number, 0);
  const bytes = encodeSignedBlock(first, first.laneData, first.signature);
  t.match(decodeSignedBlock(new Uint8Array(900_001)), { ok: false, code: "BLOCK_TOO_LARGE" });
  t.match(decodeSignedBlock(bytes.subarray(1)), { ok: false, code: "BLOCK_MALFORMED" });
});

t.test("a block that only derivation would let through is refused by its size", async (t) => {
  const { follower } = await scene(t);
  const transactions: UserTransaction[] = [];
  for (let nonce = 0; nonce < 8; nonce++)
    transactions.push(
      await signed(5, { nonce, data: `0x${"00".repeat(112_330)}`, gas: 2_000_000n }),
    );
  const raw = transactions.reduce((sum, { raw }) => sum + raw.length, 0);
  t.ok(raw < 900_000, "its transactions alone are under the limit");
  const timestamp = follower.chain.head().header.timestamp + 1;
  const verdict = await follower.chain.exclusive(() =>
    follower.chain.append(
      {
        timestamp,
        origin: GENESIS_ORIGIN,
        laneData: {
          policyHash: follower.policy.hash,
          flashblocks: [
            { txCount: 9, timestampMs: timestamp * 1000, leaderEpoch: 1, ...NO_LANE_PRICES },
          ],
          numbers: transactions.map((_, i) => ({
            accepted: (1n << 40n) + BigInt(2 * i + 1),
            ready: (1n << 40n) + BigInt(2 * i + 2),
          })),
        },
        transactions,
      },
      { signature: null, expected: null },
    ),
  );
  t.match(verdict, { ok: false, code: "BLOCK_TOO_LARGE" });
  t.equal(follower.chain.head().header.number, 0);
});

t.test("a fault of the engine leaves it closed for the next block", async (t) => {
  const { follower, blocks } = await scene(t);
  const [first] = blocks as [UnverifiedBlock];
  const apply = follower.engine.apply.bind(follower.engine);
  follower.engine.apply = () => Promise.reject(new Error("planted"));
  await t.rejects(follower.chain.importSigned(first), { message: "planted" });
  follower.engine.apply = apply;
  t.match(await follower.chain.importSigned(first), { ok: true });
});
