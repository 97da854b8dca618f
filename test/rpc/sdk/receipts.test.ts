/** Nothing that a node says of a receipt is believed. */
import t from "tap";
import { createClient, custom, getAddress } from "viem";
import type { Hex } from "../../../lanes/bytes.ts";
import { checkReceiptJson } from "../../../lanes/check-receipt.ts";
import { installKeccak } from "../../../lanes/keccak.ts";
import { admissionReceiptToJson, inclusionReceiptToJson } from "../../../lanes/receipt-json.ts";
import { encodeSignedFlashblock } from "../../../lanes/signed-flashblock.ts";
import { keccak256 } from "../../../node/primitives/hash.ts";
import { KnownFlashblock } from "../../../rpc/flashblocks.ts";
import { laneActions } from "../../../rpc/sdk/lane-actions.ts";
import { trustOf } from "../../../rpc/sdk/trust.ts";
import {
  admitted,
  executed,
  signedFlashblock,
  TRUST,
  txHash,
} from "../../lanes/fixtures/promises.ts";
import { testRollup } from "../../sequencer/fixtures/rig.ts";

installKeccak(keccak256);

const flashblock = new KnownFlashblock(encodeSignedFlashblock(signedFlashblock(executed(4))));
const inclusion = (index: number) => inclusionReceiptToJson(flashblock.receipt(index));
const admission = admissionReceiptToJson(admitted(3, 1));
const stranger = { ...TRUST, sequencer: txHash(7).slice(0, 42) as Hex };

/** A client of a node that has one answer. */
const clientOf = (answer: unknown) =>
  createClient({ transport: custom({ request: () => Promise.resolve(answer) }) }).extend(
    laneActions(),
  );

t.test("a receipt of either kind holds, or says where it does not", async (t) => {
  t.match(checkReceiptJson(inclusion(1), TRUST), { ok: true, value: { type: "inclusion" } });
  t.match(checkReceiptJson(admission, TRUST), { ok: true, value: { type: "admission" } });
  for (const json of [inclusion(1), admission])
    t.match(checkReceiptJson(json, stranger), { ok: false, code: "RECEIPT_INVALID" });
  for (const json of [null, 7, "0x", {}, { type: "inclusion" }, { ...admission, type: "drop" }])
    t.match(
      checkReceiptJson(json, TRUST),
      { ok: false, code: "RECEIPT_INVALID" },
      JSON.stringify(json),
    );
});

t.test("an inclusion is that of the transaction that was asked for", async (t) => {
  const hash = txHash(1);
  const of = (answer: unknown, trust = TRUST) => clientOf(answer).verifyInclusion(hash, trust);
  t.match(await of(inclusion(1)), { ok: true, value: { lane: { txHash: hash } } });
  t.same(await of(null), { ok: true, value: null });
  t.match(await of(inclusion(2)), { ok: false, data: { part: "hash" } }, "another one's");
  t.match(await of(admission), { ok: false, data: { part: "type" } }, "another promise");
  t.match(await of(inclusion(1), stranger), { ok: false, code: "RECEIPT_INVALID" });
  const upper = `0x${hash.slice(2).toUpperCase()}` as const;
  t.match(await clientOf(inclusion(1)).verifyInclusion(upper, TRUST), { ok: true });
});

t.test("only a transport that subscribes can watch", async (t) => {
  const watching = clientOf(null).watchPreconfirmations({
    trust: TRUST,
    onInclusion: () => undefined,
  });
  await t.rejects(watching, RangeError);
});

t.test("whom a rollup file trusts", async (t) => {
  const rollup = testRollup();
  const { domain, sequencer, policy } = trustOf(rollup);
  t.match(domain, { chainId: rollup.chainId, settlement: rollup.settlement });
  t.equal(getAddress(sequencer), getAddress(rollup.sequencer));
  t.equal(policy.document.chainId, rollup.chainId);
  t.throws(() => trustOf({ ...rollup, policy: {} }), { code: /^POLICY_/ });
});
