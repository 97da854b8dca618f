/** A follower's memory of what it has forwarded. */
import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import type { SubmitAnswer } from "../../node/api.ts";
import { createForwarded } from "../../node/p2p/forwarded.ts";
import { signed } from "../sequencer/fixtures/rig.ts";

t.test("nonces and bodies of pending transactions, until they are executed", async (t) => {
  let executed = 0n;
  let answer: SubmitAnswer | null = null;
  const forwarded = createForwarded({
    submitTransaction: () =>
      Promise.resolve(
        answer ?? {
          ok: true,
          hash: "0x",
          lane: "normal",
          rank: 255,
          accepted: 1n,
          deadlineBlock: 0,
          isGapped: false,
        },
      ),
    nonce: () => executed,
  });
  const first = await signed(0, { nonce: 0 });
  const second = await signed(0, { nonce: 1 });
  const gapped = await signed(0, { nonce: 5 });
  t.equal(forwarded.nextNonce(first.sender), null);
  for (const one of [first, second, gapped]) t.match(await forwarded.submit(one), { ok: true });
  t.equal(forwarded.nextNonce(first.sender), 2n, "up to the gap");
  t.equal(forwarded.get(second.hash)?.transaction, second);
  executed = 1n;
  t.equal(forwarded.get(first.hash), null, "executed");
  t.equal(forwarded.nextNonce(first.sender), 2n);
  executed = 6n;
  t.equal(forwarded.nextNonce(first.sender), null);
  answer = { ok: false, code: "NONCE_TOO_LOW", data: {} };
  const refused = await signed(0, { nonce: 6 });
  t.match(await forwarded.submit(refused), { ok: false, code: "NONCE_TOO_LOW" });
  t.equal(forwarded.get(refused.hash), null, "what was refused is not pending");
});

t.test("only so many are remembered", async (t) => {
  const forwarded = createForwarded({
    submitTransaction: () =>
      Promise.resolve({
        ok: true,
        hash: "0x",
        lane: "normal",
        rank: 255,
        accepted: 1n,
        deadlineBlock: 0,
        isGapped: false,
      }),
    nonce: () => 0n,
  });
  const one = await signed(0, { nonce: 0 });
  const hashOf = (i: number): Hex => `0x${i.toString(16).padStart(64, "0")}`;
  for (let i = 0; i <= 4096; i++) await forwarded.submit({ ...one, hash: hashOf(i) });
  t.equal(forwarded.get(hashOf(0)), null);
  t.ok(forwarded.get(hashOf(1)));
});
