/**
 * L1 as a node sees it: heads as one chain, reorgs, origins by number, wrong and silent endpoints.
 */
import t from "tap";
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { createL1Client } from "../../node/settlement/l1.ts";
import { createL1Heads } from "../../node/settlement/l1-heads.ts";
import { l1Client, startAnvil } from "./anvil.ts";
import { rollupConfig } from "./chain.ts";

const STEPS_MAX = 200;
const rpcUrl = await startAnvil((stop) => {
  t.teardown(stop);
});
const l1 = l1Client(rpcUrl);

t.test("heads are one chain of hashes, and a reorg starts lower", async (t) => {
  const seen: { number: number; hash: Hex; parentHash: Hex }[] = [];
  const settlement: Hex = `0x${"01".repeat(20)}`;
  const start = Number((await l1.client.getBlock()).number);
  const client = createL1Client({
    rpcUrl,
    beaconUrl: rpcUrl,
    rollup: rollupConfig(settlement, { number: 0, hash: ZERO_HASH }),
  });
  const heads = createL1Heads({
    client,
    start,
    onBlocks: async (blocks) => void seen.push(...blocks),
  });
  await l1.client.mine({ blocks: 100 });
  t.equal(await heads.poll(), false, "a bounded step");
  for (let i = 0; i < STEPS_MAX && !(await heads.poll()); i++);
  t.equal(seen.length, 101);
  for (const [i, block] of seen.entries()) if (i > 0) t.equal(block.parentHash, seen[i - 1]!.hash);
  const snapshot = await l1.client.snapshot();
  await l1.client.mine({ blocks: 2 });
  await heads.poll();
  const lost = seen.slice(-2);
  await l1.client.revert({ id: snapshot });
  await l1.client.mine({ blocks: 3, interval: 5 });
  seen.length = 0;
  await heads.poll();
  t.equal(seen[0]?.number, lost[0]?.number);
  t.not(seen[0]?.hash, lost[0]?.hash);
  t.equal((await heads.originAt(lost[1]!.number))?.hash, seen[1]?.hash);
  t.equal(await heads.originAt(10_000_000), null);
  t.equal(heads.finalized()?.number, heads.head()!.number - 2);
});

t.test("another chain, or nobody, at the endpoint", async (t) => {
  const rollup = rollupConfig(`0x${"01".repeat(20)}`, { number: 0, hash: ZERO_HASH });
  const wrong = createL1Client({ rpcUrl, beaconUrl: rpcUrl, rollup: { ...rollup, l1ChainId: 1 } });
  await t.rejects(wrong.checkChain(), {
    code: "L1_WRONG_CHAIN",
    data: { expected: 1, found: 900 },
  });
  const nobody = "http://127.0.0.1:1";
  const silent = createL1Client({ rpcUrl: nobody, beaconUrl: nobody, rollup });
  await t.rejects(silent.block("latest"), { code: "L1_UNREACHABLE" });
  t.same(await createL1Client({ rpcUrl, beaconUrl: rpcUrl, rollup }).block(10_000_000), null);
});
