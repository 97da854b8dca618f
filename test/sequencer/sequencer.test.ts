/**
 * The sequencing loop on a real engine and store: what it builds, followers accept, bit for bit.
 */
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { classify, NO_PRICES_YET } from "../../lanes/classify.ts";
import type { PendingSlice } from "../../node/api.ts";
import { laneTransaction, type UserTransaction } from "../../node/primitives/transaction.ts";
import { signingDomain } from "../../node/rollup-config.ts";
import { checkSignedBlock } from "../../node/p2p/gossip.ts";
import { ReportBook } from "../../node/sequencer/report-book.ts";
import { buildBlock, type BuilderDeps } from "../../node/sequencer/builder.ts";
import { listRoot } from "../../node/execution/embedded/list-root.ts";
import { decoded } from "./fixtures/decoded.ts";
import {
  CHAIN_ID,
  FAST_SELECTOR,
  FEED,
  GENESIS_ORIGIN,
  LOOPER,
  openRig,
  openSequencer,
  signed,
  journaled,
} from "./fixtures/rig.ts";

const fast = (from: number, nonce: number): Promise<UserTransaction> =>
  signed(from, { nonce, to: FEED, data: `${FAST_SELECTOR}00` });

t.test("blocks are built, signed, and accepted by a follower with equal hashes", async (t) => {
  const dir = t.testdir({ leader: {}, follower: {} });
  const leader = await openRig(join(dir, "leader"));
  const follower = await openRig(join(dir, "follower"));
  t.teardown(() => Promise.all([leader.close(), follower.close()]));
  const { admission, published, build } = await openSequencer(leader);
  const hashes = new Set<string>();
  for (let nonce = 0; nonce < 20; nonce++)
    for (const transaction of [await signed(0, { nonce, value: 1n }), await fast(1, nonce)]) {
      const answer = await admission.submit(transaction);
      t.equal(answer.ok, true);
      t.match(answer, { lane: transaction.to === FEED ? "fast" : "normal" });
      hashes.add(transaction.hash);
    }
  await build(4);
  const { sequencer } = leader.rollup;
  const rules = {
    domain: signingDomain(leader.rollup),
    sequencer,
    transactionsRoot: listRoot,
  };
  for (const bytes of published) {
    const block = decoded(bytes);
    t.match(checkSignedBlock(block, rules), { ok: true });
    t.match(await follower.chain.importSigned(block), { ok: true });
    t.equal(follower.chain.head().hash, block.hash);
    for (const { hash } of block.transactions) hashes.delete(hash);
  }
  t.equal(hashes.size, 0, "every acknowledged transaction is in a block");
  t.equal(follower.chain.head().hash, leader.chain.head().hash);
  t.same(await journaled(leader), [], "included transactions leave the journal");
});

t.test("the block before may become the head while the next one is planned", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const head = (): number => rig.store.heads().unsafe.number;
  let built = 0;
  let overtaken = 0;
  // L1 takes as long to answer as the block before takes to be durable, and some turns more.
  const askingL1 = async (): Promise<void> => {
    if (head() >= built) return;
    while (head() < built) await turn();
    for (let turns = 0; turns < overtaken; turns++) await turn();
    overtaken += 1;
  };
  const pending = {
    add: (slice: PendingSlice) => {
      built = slice.environment.number;
    },
  };
  const { build, published } = await openSequencer(rig, { askingL1, pending });
  await build(8);
  t.equal(published.length, 8);
  t.ok(overtaken > 4, `${overtaken} blocks were the head before the next one was opened`);
});

t.test("in every flashblock the fast lane comes first", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const { admission, published, build } = await openSequencer(rig);
  for (let nonce = 0; nonce < 10; nonce++)
    await admission.submit(await signed(0, { nonce, tip: 5_000_000_000n }));
  for (let nonce = 0; nonce < 10; nonce++) await admission.submit(await fast(1, nonce));
  await build(1);
  const block = decoded(published[0]);
  const ranks = block.transactions.map((transaction) =>
    transaction.type === 0x7e
      ? 0
      : classify(laneTransaction({ ...transaction, sender: FEED }), rig.policy, NO_PRICES_YET).rank,
  );
  const counts = block.laneData.flashblocks.map(({ txCount }) => txCount);
  t.same(counts, [11, 10], "the fast one ends before normal work begins");
  t.same(ranks, [0, ...Array<number>(10).fill(1), ...Array<number>(10).fill(255)]);
});

t.test("a restart keeps what was acknowledged and never signs a height twice", async (t) => {
  const dir = t.testdir();
  const before = await openRig(dir);
  const run = await openSequencer(before);
  await run.build(2);
  const kept = await fast(2, 0);
  const gapped = await signed(3, { nonce: 2 });
  t.match(await run.admission.submit(kept), { ok: true });
  t.match(await run.admission.submit(gapped), { ok: true }, "a nonce gap waits in the pool");
  const height = before.chain.head().header.number;
  const promised = run.flashblocks.filter(({ header }) => header.blockNumber === height + 1);
  t.ok(promised.length > 0, "the next block was begun");
  await before.close();

  const after = await openRig(dir);
  t.teardown(() => after.close());
  t.equal(after.chain.head().header.number, height);
  const rerun = await openSequencer(after);
  t.ok(rerun.admission.pool.get(kept.hash));
  t.ok(rerun.admission.pool.get(gapped.hash));
  await rerun.build(2);
  const built = rerun.published.map(decoded);
  t.equal(built[0]?.header.number, height + 1);
  const place = after.store.transactionLocation(kept.hash);
  t.equal(place?.blockNumber, height + 1);
  t.equal(after.store.transactionLocation(gapped.hash), null);
  for (const nonce of [0, 1]) await rerun.admission.submit(await signed(3, { nonce }));
  await rerun.build(2);
  t.ok(after.store.transactionLocation(gapped.hash), "the gap is closed: all three are in");
  const again = rerun.flashblocks.slice(0, promised.length);
  t.same(again, promised, "what was promised is announced again, byte for byte");
  const epochs = built.map(({ laneData }) => laneData.flashblocks.map((f) => f.leaderEpoch));
  t.same(
    epochs[0]?.slice(0, promised.length),
    promised.map(() => 1),
  );
  t.ok(
    epochs
      .flat()
      .slice(promised.length)
      .every((epoch) => epoch === 2),
  );
});

t.test("a crash between commit and signature is made good at the next start", async (t) => {
  const dir = t.testdir();
  const before = await openRig(dir);
  const signatures: Uint8Array[] = [];
  before.store.saveSignature = (_number, signature) => {
    signatures.push(signature);
    return Promise.reject(new Error("crash"));
  };
  const run = await openSequencer(before);
  await t.rejects(run.build(1), /crash/);
  const head = before.chain.head();
  t.equal(head.header.number, 1);
  await before.close();
  const after = await openRig(dir);
  t.teardown(() => after.close());
  t.equal(after.store.blockByNumber(1)?.signature, null);
  const rerun = await openSequencer(after);
  await rerun.build(2);
  t.equal(decoded(rerun.published[0]).hash, head.hash, "the same block is signed and sent again");
  t.same(decoded(rerun.published[0]).signature, signatures[0], "with the same signature");
});

t.test("transactions that cannot be built", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const { admission, build } = await openSequencer(rig);
  const submit = async (...args: Parameters<typeof signed>) =>
    admission.submit(await signed(...args));
  const root = rig.chain.head().header.stateRoot;
  t.match(await submit(4, { nonce: 0, value: 10n ** 30n }), {
    ok: false,
    code: "INSUFFICIENT_FUNDS",
  });
  t.match(await submit(4, { nonce: 100 }), { ok: false, code: "NONCE_TOO_HIGH" });
  t.match(await submit(4, { nonce: 0, gas: 16_777_217n }), {
    ok: false,
    code: "GAS_LIMIT_TOO_HIGH",
  });
  const tipped = { ...(await signed(4, { nonce: 0 })), maxPriorityFeePerGas: 10n ** 11n };
  t.match(await admission.submit(tipped), { ok: false, code: "TIP_ABOVE_FEE_CAP" });
  const foreign = { ...(await signed(4, { nonce: 0 })), chainId: BigInt(CHAIN_ID + 1) };
  t.match(await admission.submit(foreign), { ok: false, code: "CHAIN_ID_MISMATCH" });
  const good = await signed(4, { nonce: 0 });
  t.match(await admission.submit(good), { ok: true });
  t.match(await admission.submit(good), { ok: false, code: "ALREADY_KNOWN" });
  t.match(await submit(4, { nonce: 0, value: 5n }), { ok: false, code: "REPLACEMENT_UNDERPRICED" });
  await build(2);
  t.match(await submit(4, { nonce: 0 }), { ok: false, code: "NONCE_TOO_LOW" });
  t.same(await journaled(rig), [], "nothing refused was journaled");
  t.not(rig.chain.head().header.stateRoot, root);
});

t.test(
  "a transaction that makes the engine fail is dropped, now and after a restart",
  async (t) => {
    const rig = await openRig(t.testdir());
    t.teardown(() => rig.close());
    const { admission, build } = await openSequencer(rig);
    const bad = await signed(0, { nonce: 0, value: 1n });
    const good = await signed(1, { nonce: 0, value: 1n });
    const apply = rig.engine.apply.bind(rig.engine);
    rig.engine.apply = (transaction) =>
      transaction.hash === bad.hash ? Promise.reject(new Error("planted")) : apply(transaction);
    await admission.submit(bad);
    await admission.submit(good);
    await build(3);
    t.ok(rig.store.transactionLocation(good.hash));
    t.equal(admission.pool.get(bad.hash), undefined);
    t.same(await journaled(rig), [], "its record goes too: no restart meets it again");
  },
);

t.test(
  "a transaction its account cannot pay for leaves after some blocks, with a reason",
  async (t) => {
    const rig = await openRig(t.testdir());
    t.teardown(() => rig.close());
    const { admission, build } = await openSequencer(rig);
    const all = 10n ** 21n;
    const gas = 21_000n;
    const maxFeePerGas = 10_000_000_000n;
    // Both are covered when they come in; the first leaves too little for the second.
    const first = await signed(0, { nonce: 0, value: 1n, gas, maxFeePerGas });
    const second = await signed(0, {
      nonce: 1,
      value: all - 2n * gas * maxFeePerGas - 1n,
      gas,
      maxFeePerGas,
    });
    await admission.submit(first);
    await admission.submit(second);
    const apply = rig.engine.apply.bind(rig.engine);
    let tries = 0;
    rig.engine.apply = (transaction) => {
      if (transaction.hash !== second.hash) return apply(transaction);
      tries += 1;
      return Promise.resolve({ ok: false, code: "INSUFFICIENT_FUNDS" });
    };
    await build(6);
    t.equal(tries, 3);
    t.equal(admission.pool.get(second.hash), undefined);
  },
);

t.test("one that fits no block's rest does not hold up those behind it", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const { admission, build } = await openSequencer(rig);
  const gas = 16_777_216n;
  const big = await Promise.all(
    [0, 1, 2, 3].map((i) => signed(i, { nonce: 0, gas, tip: 10n ** 9n })),
  );
  const small = await signed(4, { nonce: 0, value: 1n, gas: 21_000n });
  const engine = rig.engine;
  // As if the block were almost full from the start.
  engine.gasUsed = () => 50_000_000n;
  for (const transaction of [...big, small])
    t.match(await admission.submit(transaction), { ok: true });
  await build(1);
  t.ok(rig.store.transactionLocation(small.hash));
  t.equal(rig.store.transactionLocation(big[0]!.hash), null);
});

t.test("flashblocks are kept for the end of the block", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const { admission, build, clock, published } = await openSequencer(rig);
  const max = rig.policy.document.maxFlashblocks;
  // One fast arrival a millisecond: without spreading, all flashblocks would be spent at once.
  const transactions = await Promise.all(
    Array.from({ length: 120 }, (_, i) => fast(i % 6, Math.floor(i / 6))),
  );
  const start = clock.nowMs();
  const submitting = (async () => {
    for (const transaction of transactions) {
      await admission.submit(transaction);
      clock.advance(1);
    }
  })();
  await Promise.all([build(1), submitting]);
  const { flashblocks } = decoded(published[0]).laneData;
  t.ok(flashblocks.length <= max);
  const last = flashblocks.at(-1)!;
  t.ok(
    last.timestampMs > start + 500 || flashblocks.length < max / 2 + 1,
    "room is left late in the block",
  );
});

const heavy = (from: number, nonce = 0): Promise<UserTransaction> =>
  signed(from, { nonce, to: LOOPER, gas: 16_000_000n });

t.test("a fast arrival aborts a heavy transaction, which comes after it", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const arriving = await fast(1, 0);
  const waiting = await heavy(0);
  let turns = 0;
  // The signal is up as if another thread had raised it: what it stands for comes at the turn.
  const onTurn = (): void => {
    if (turns++ === 0) void admission.submit(arriving);
  };
  const { admission, published, build } = await openSequencer(rig, { onTurn });
  await admission.submit(waiting);
  rig.preemption.raise();
  // Virtual time does not wait for the disk: blocks may pass until the fast one is durable.
  for (let tries = 0; tries < 20 && (await journaled(rig)).length > 0; tries++) await build(1);
  const order = published.flatMap((bytes) => decoded(bytes).transactions.map(({ hash }) => hash));
  t.ok(turns > 0);
  t.ok(order.includes(arriving.hash) && order.includes(waiting.hash), "nothing is lost");
  t.ok(order.indexOf(arriving.hash) < order.indexOf(waiting.hash), "the fast one came later");
  t.same(await journaled(rig), []);
});

t.test("what arrives does not cut a deposit-only block short", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const { admission, clock } = await openSequencer(rig);
  const sealAtMs = clock.nowMs() + 1000;
  const timestamp = rig.chain.tip().timestamp + 1;
  const plan = {
    timestamp,
    origin: GENESIS_ORIGIN,
    depositOnly: true,
    sealAtMs,
    isComplete: false,
  };
  let wakes = 0;
  const deps: BuilderDeps = {
    ...rig,
    clock,
    pool: admission.pool,
    // Something arrives long before the time is over.
    arrivals: {
      notify: () => undefined,
      wait(delayMs = 0) {
        wakes += 1;
        clock.advance(Math.ceil(delayMs / 2));
        return Promise.resolve();
      },
    },
    openPool: () => undefined,
    reports: new ReportBook(rig.policy, () => clock.monotonicMs()),
    nextNumber: () => admission.nextNumber(),
    promise: () => Promise.resolve(new Uint8Array(65)),
    speculation: {
      has: () => false,
      offer: () => undefined,
      take: () => null,
      wasted: () => undefined,
    },
    yieldTurn: () => Promise.resolve(),
    stopping: () => false,
    maySeal: () => true,
    onSlice: () => undefined,
    leaderEpoch: 1,
    flashblockMs: 50,
  };
  const built = await rig.chain.exclusive(() => buildBlock(plan, rig.chain.tip(), deps));
  t.same(
    built.flashblocks.map(({ executed }) => executed.header.txCount),
    [1],
  );
  t.ok(wakes > 2);
  t.equal(clock.nowMs(), sealAtMs);
});
