/**
 * Oracles that exist already: plain transactions of their own senders to their own contracts are in
 * the fast lane because the policy says so, and nobody else's are.
 */
import t from "tap";
import { encodeFunctionData, parseAbi, toFunctionSelector } from "viem";
import type { Hex } from "../../lanes/bytes.ts";
import { join } from "node:path";
import { StoredClasses } from "../../node/chain/stored-classes.ts";
import { loadPolicy } from "../lanes/fixtures/policy.ts";
import { decoded } from "./fixtures/decoded.ts";
import {
  ACCOUNTS,
  FEED,
  openRig,
  openSequencer,
  signed,
  testPolicyDocument,
} from "./fixtures/rig.ts";

/** Offchain Reporting's and Pyth's entry points, as they are published. */
const abi = parseAbi([
  "function transmit(bytes32[3] reportContext, bytes report, bytes32[] rs, bytes32[] ss, bytes32 rawVs)",
  "function updatePriceFeeds(bytes[] updateData) payable",
]);
const [transmit, updatePriceFeeds] = abi;
const AGGREGATOR = FEED;
const PYTH: Hex = `0x${"4e".repeat(20)}`;
const [TRANSMITTER, PUSHER, STRANGER] = [0, 1, 2];
const addressOf = (index: number) => ACCOUNTS[index]!.address.toLowerCase() as Hex;

const document = testPolicyDocument() as { fast: object };
const POLICY = {
  ...document,
  fast: {
    ...document.fast,
    classes: [
      {
        name: "oracle",
        gasShareBps: 2000,
        order: "ready",
        rules: [
          {
            to: AGGREGATOR,
            selectors: [toFunctionSelector(transmit)],
            senders: [addressOf(TRANSMITTER)],
            maxGas: 500_000,
          },
          {
            to: PYTH,
            selectors: [toFunctionSelector(updatePriceFeeds)],
            senders: [addressOf(PUSHER)],
            maxGas: 1_000_000,
            value: true,
          },
        ],
      },
    ],
  },
};
const policy = loadPolicy(POLICY);

const word: Hex = `0x${"0a".repeat(32)}`;
const transmission = encodeFunctionData({
  abi,
  functionName: "transmit",
  args: [[word, word, word], `0x${"ab".repeat(300)}`, [word, word], [word, word], word],
});
const update = encodeFunctionData({
  abi,
  functionName: "updatePriceFeeds",
  args: [[`0x${"cd".repeat(900)}`]],
});

t.test("a transmission and a paid update are fast, and stand before the rest", async (t) => {
  const dir = t.testdir({ leader: {}, follower: {} });
  const leader = await openRig(join(dir, "leader"), "sequencer", { policy: POLICY });
  const follower = await openRig(join(dir, "follower"), "follower", { policy: POLICY });
  t.teardown(() => Promise.all([leader.close(), follower.close()]));
  const { admission, published, build } = await openSequencer(leader);
  const lanes: string[] = [];
  const send = async (
    from: number,
    fields: { to: Hex; data: Hex; gas: bigint; value?: bigint },
  ) => {
    const nonce = Number(admission.pool.nextNonce(addressOf(from)));
    const transaction = await signed(from, { nonce, tip: 5_000_000_000n, ...fields });
    const answer = await admission.submit(transaction);
    if (!answer.ok) throw new Error(answer.code);
    lanes.push(answer.lane);
    return transaction.hash;
  };
  const ocr = { to: AGGREGATOR, data: transmission, gas: 400_000n };
  const pyth = { to: PYTH, data: update, gas: 900_000n, value: 1n };
  const slow = [
    await send(STRANGER, ocr),
    await send(STRANGER, pyth),
    await send(TRANSMITTER + 3, { ...ocr, data: update }),
    await send(PUSHER + 3, { ...pyth, to: AGGREGATOR }),
  ];
  t.same(new Set(lanes), new Set(["normal"]), "whose it is, where to, and what: all of it counts");
  lanes.length = 0;
  const fast = [await send(TRANSMITTER, ocr), await send(PUSHER, pyth)];
  t.same(lanes, ["fast", "fast"]);
  await build(2);
  const blocks = published.map(decoded);
  const order = blocks.flatMap(({ transactions }) => transactions.map(({ hash }) => hash));
  const last = Math.max(...fast.map((hash) => order.indexOf(hash)));
  t.ok(fast.every((hash) => order.includes(hash)));
  t.ok(slow.every((hash) => order.indexOf(hash) > last));
  for (const block of blocks) t.match(await follower.chain.importSigned(block), { ok: true });
  const ranks = blocks.flatMap(({ header }) => {
    const stored = follower.store.blockByNumber(header.number);
    if (stored === null) throw new Error("it was imported");
    const classes = new StoredClasses(policy).of(follower.store, stored);
    return classes.map(({ rank, rule }, at) => [stored.block.transactions[at]?.hash, rank, rule]);
  });
  t.same(ranks.find(([hash]) => hash === fast[0])?.slice(1), [1, 0]);
  t.same(ranks.find(([hash]) => hash === fast[1])?.slice(1), [1, 1]);
});
