/**
 * The independent check and what follows from it: nothing unchecked is committed, wrong results are
 * corrected under the same order, and what cannot be corrected stops the sequencer. ACCEPTANCE 21,
 * 22.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { type Hex } from "../../lanes/bytes.ts";
import { unpackSlice } from "../../node/execution/slice-codec.ts";
import { type Logger, silentLogger } from "../../node/log.ts";
import { createVerifier, type Verifier } from "../../node/sequencer/verifier.ts";
import type { StateReader } from "../../node/storage/state.ts";
import { decoded } from "./fixtures/decoded.ts";
import {
  ACCOUNTS,
  FAST_SELECTOR,
  FEED,
  GENESIS_TIME,
  localVerifier,
  openRig,
  openSequencer,
  type Rig,
  signed,
  journaled,
} from "./fixtures/rig.ts";

const RECIPIENT: Hex = `0x${"77".repeat(20)}`;
const sender = (index: number): Hex => ACCOUNTS[index]!.address.toLowerCase() as Hex;

interface Fault {
  readonly plant: (state: StateReader) => StateReader;
  active: boolean;
}

/** While it is active, the engine believes that the account has this much more. */
function balanceFault(address: Hex, more: bigint): Fault {
  const fault: Fault = {
    active: false,
    plant: (state) => ({
      ...state,
      account(of) {
        const account = state.account(of);
        if (!fault.active || of !== address) return account;
        const base = account ?? { nonce: 0n, balance: 0n, codeHash: NO_CODE, storageRoot: NO_ROOT };
        return { ...base, balance: base.balance + more };
      },
    }),
  };
  return fault;
}

const NO_CODE: Hex = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
const NO_ROOT: Hex = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";

function recordErrors(errors: string[], onError: () => void): Logger {
  return {
    ...silentLogger,
    error(message) {
      errors.push(message);
      onError();
    },
  };
}

async function openPair(
  t: Test,
  fault: Fault,
  log: Logger,
): Promise<{ leader: Rig; follower: Rig }> {
  const dir = t.testdir({ leader: {}, follower: {} });
  const leader = await openRig(join(dir, "leader"), "follower", { plant: fault.plant, log });
  const follower = await openRig(join(dir, "follower"));
  t.teardown(() => Promise.all([leader.close(), follower.close()]));
  return { leader, follower };
}

t.test("wrong results are corrected, and the order stands", async (t) => {
  const fault = balanceFault(RECIPIENT, 5n);
  const errors: string[] = [];
  // The alarm is the moment in which the fault passes, as a stale cache does with a new engine.
  const log = recordErrors(errors, () => {
    fault.active = false;
  });
  const { leader, follower } = await openPair(t, fault, log);
  const { admission, published, build } = await openSequencer(leader);
  const order: Hex[] = [];
  for (let nonce = 0; nonce < 5; nonce++) {
    const transaction = await signed(nonce % 2, { nonce: Math.floor(nonce / 2), value: 1n });
    await admission.submit(transaction);
    order.push(transaction.hash);
  }
  fault.active = true;
  await build(3);
  t.same(errors, ["results differ from the independent check; they are corrected"]);
  const blocks = published.map(decoded);
  t.same(
    blocks.flatMap(({ transactions }) => transactions.slice(1).map(({ hash }) => hash)).sort(),
    order.sort(),
    "every transaction once",
  );
  t.equal(blocks[0]?.transactions.length, 6, "all in the block whose results were wrong");
  for (const block of blocks) t.match(await follower.chain.importSigned(block), { ok: true });
  t.equal(leader.store.state.account(RECIPIENT)?.balance, 5n);
  t.same(await journaled(leader), []);
});

t.test("what was built on wrong results waits again, and nothing of it is lost", async (t) => {
  const fault = balanceFault(RECIPIENT, 5n);
  const late = await signed(3, { nonce: 0, value: 1n });
  const errors: string[] = [];
  const { leader, follower } = await openPair(
    t,
    fault,
    recordErrors(errors, () => {
      fault.active = false;
    }),
  );
  const held = holdFirst(createVerifier([localVerifier(leader)], { sampleEvery: 1 }));
  const { admission, published, build } = await openSequencer(leader, { verifier: held.verifier });
  await admission.submit(await signed(0, { nonce: 0, value: 1n }));
  fault.active = true;
  const building = build(3);
  await held.asked;
  // The second block is open on the first by now, whose verdict is still out.
  await admission.submit(late);
  held.release();
  await building;
  t.equal(errors.length, 1);
  const hashes = published
    .map(decoded)
    .flatMap(({ transactions }) => transactions.map(({ hash }) => hash));
  t.equal(hashes.filter((hash) => hash === late.hash).length, 1);
  for (const bytes of published)
    t.match(await follower.chain.importSigned(decoded(bytes)), { ok: true });
});

t.test("a difference that stays stops the sequencer; nothing of it is signed", async (t) => {
  const fault = balanceFault(RECIPIENT, 5n);
  const { leader } = await openPair(t, fault, silentLogger);
  const { admission, sequencer, published } = await openSequencer(leader);
  const transaction = await signed(0, { nonce: 0, value: 1n });
  await admission.submit(transaction);
  fault.active = true;
  await t.rejects(sequencer.run(), { code: "VERIFICATION_FAILED", data: { part: "state" } });
  t.same(published, []);
  t.equal(leader.store.heads().unsafe.number, 0);
  t.equal((await journaled(leader)).length, 1, "acknowledged, and still there");
});

t.test("an order that cannot be executed stops the sequencer", async (t) => {
  const poor = sender(2);
  const fault = balanceFault(poor, 10n ** 24n);
  const { leader } = await openPair(
    t,
    fault,
    recordErrors([], () => {
      fault.active = false;
    }),
  );
  const { admission, sequencer, published } = await openSequencer(leader);
  fault.active = true;
  // More than the account has; the engine believes otherwise.
  const answer = await admission.submit(await signed(2, { nonce: 0, value: 5n * 10n ** 21n }));
  t.equal(answer.ok, true);
  await t.rejects(sequencer.run(), { code: "VERIFICATION_FAILED", data: { part: "order" } });
  t.same(published, []);
  t.equal(leader.store.heads().unsafe.number, 0);
});

/** Holds the first verdict back until it is released. */
function holdFirst(verifier: Verifier): {
  readonly verifier: Verifier;
  readonly asked: Promise<void>;
  release(): void;
} {
  let release: () => void = () => undefined;
  let ask: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  return {
    verifier: {
      begin() {
        const check = verifier.begin();
        return {
          ...check,
          async finish(laneData) {
            ask();
            await released;
            return check.finish(laneData);
          },
        };
      },
    },
    asked,
    release: () => {
      release();
    },
  };
}

t.test("nothing is committed or published before its verdict", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const held = holdFirst(createVerifier([localVerifier(rig)], { sampleEvery: 1 }));
  const { admission, published, build } = await openSequencer(rig, { verifier: held.verifier });
  await admission.submit(await signed(0, { nonce: 0, value: 1n }));
  const building = build(2);
  await held.asked;
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(published.length, 0);
  t.equal(rig.store.heads().unsafe.number, 0);
  held.release();
  await building;
  t.equal(published.length, 2);
});

t.test("a block whose time is over takes the fast lane until its parent is done", async (t) => {
  const dir = t.testdir({ leader: {}, follower: {} });
  const rig = await openRig(join(dir, "leader"));
  const follower = await openRig(join(dir, "follower"));
  t.teardown(() => Promise.all([rig.close(), follower.close()]));
  const held = holdFirst(createVerifier([localVerifier(rig)], { sampleEvery: 1 }));
  const { admission, published, build, clock } = await openSequencer(rig, {
    verifier: held.verifier,
  });
  const building = build(3);
  await held.asked;
  const untilTrue = async (holds: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 10_000 && !holds(); turn++)
      await new Promise((resolve) => setImmediate(resolve));
  };
  const secondEndsMs = (GENESIS_TIME + 2) * 1000;
  await untilTrue(() => clock.nowMs() >= secondEndsMs);
  t.equal(clock.nowMs(), secondEndsMs);
  const normal = await signed(0, { nonce: 0, value: 1n });
  const fast = await signed(1, { nonce: 0, to: FEED, data: `${FAST_SELECTOR}00` });
  await admission.submit(normal);
  await admission.submit(fast);
  await untilTrue(() => rig.engine.account(sender(1)).nonce === 1n);
  t.equal(rig.engine.account(sender(1)).nonce, 1n, "executed while the first block waits");
  t.equal(rig.engine.account(sender(0)).nonce, 0n, "the normal lane waits for the next block");
  t.equal(published.length, 0);
  held.release();
  await building;
  const blocks = published.map(decoded);
  const orders = blocks.map(({ transactions }) => transactions.slice(1).map(({ hash }) => hash));
  t.same(orders, [[], [fast.hash], [normal.hash]]);
  for (const block of blocks) t.match(await follower.chain.importSigned(block), { ok: true });
});

for (const sampleEvery of [1, 3])
  t.test(`slices are spread over threads, one in ${sampleEvery} is executed`, async (t) => {
    const dir = t.testdir({ leader: {}, follower: {} });
    const rig = await openRig(join(dir, "leader"));
    const follower = await openRig(join(dir, "follower"));
    t.teardown(() => Promise.all([rig.close(), follower.close()]));
    const looked = [0, 0];
    const taken = [0, 0];
    let empty = 0;
    const threads = looked.map((_, thread) => {
      const service = localVerifier(rig);
      return {
        ...service,
        check(...[slice, reexecute, witnesses]: Parameters<typeof service.check>) {
          (reexecute ? looked : taken)[thread]! += 1;
          if (unpackSlice(slice).transactions.length === 0) empty += 1;
          return service.check(slice, reexecute, witnesses);
        },
      };
    });
    const verifier = createVerifier(threads, { sampleEvery });
    const { admission, published, build } = await openSequencer(rig, { verifier });
    for (let nonce = 0; nonce < 8; nonce++) {
      await admission.submit(await signed(0, { nonce, value: 1n }));
      await admission.submit(await signed(1, { nonce, to: sender(0), value: 1n }));
      await build(1);
    }
    const slices = looked[0]! + taken[0]!;
    t.equal(looked[1]! + taken[1]!, slices, "each thread follows all slices");
    t.equal(looked[0]! + looked[1]!, Math.ceil(slices / sampleEvery));
    t.ok(looked[0]! > 0 && looked[1]! > 0, "both look at some");
    t.equal(empty, 0, "no look is spent on nothing");
    for (const bytes of published)
      t.match(await follower.chain.importSigned(decoded(bytes)), { ok: true });
  });
