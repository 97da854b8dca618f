/**
 * What a sequencer tells of its open block, to the very blocks that an RPC thread keeps of it:
 * after each flashblock, `pending` is the state that the chain comes to have.
 */
import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import { createPendingBlocks } from "../../node/execution/embedded/pending.ts";
import { unpackSlice } from "../../node/execution/slice-codec.ts";
import { openRig, openSequencer, signed } from "./fixtures/rig.ts";

const RECIPIENT: Hex = `0x${"77".repeat(20)}`;

t.test("pending follows every flashblock, over heads that come late", async (t) => {
  const rig = await openRig(t.testdir());
  t.teardown(() => rig.close());
  const blocks = createPendingBlocks();
  /** By block: a block that goes on after a pause is announced from its beginning. */
  const transfers = new Map<number, number>();
  let looks = 0;
  let aheadOfHead = 0;
  const pending: Parameters<typeof openSequencer>[1] = {
    pending: {
      add(slice) {
        blocks.add(slice);
        const { transactions, receipts } = unpackSlice(slice.slice);
        const { number } = slice.environment;
        const before = slice.index === 0 ? 0 : (transfers.get(number) ?? 0);
        transfers.set(number, before + transactions.filter(({ to }) => to === RECIPIENT).length);
        const sum = [...transfers.values()].reduce((all, each) => all + each, 0);
        const head = rig.store.heads().unsafe;
        const view = blocks.over(head, rig.store.state);
        t.equal(view?.environment.number, slice.environment.number);
        t.equal(view?.state.account(RECIPIENT)?.balance ?? 0n, BigInt(sum));
        t.equal(receipts.length, transactions.length);
        looks += 1;
        if (slice.environment.number > head.number + 1) aheadOfHead += 1;
      },
    },
  };
  const { admission, build, published } = await openSequencer(rig, pending);
  for (let nonce = 0; nonce < 12; nonce++) {
    await admission.submit(await signed(nonce % 3, { nonce: Math.floor(nonce / 3), value: 1n }));
    await build(1);
  }
  await build(1);
  t.equal(rig.store.state.account(RECIPIENT)?.balance, 12n);
  t.ok(looks >= published.length, `${looks} looks, ${aheadOfHead} of them two blocks ahead`);
});
