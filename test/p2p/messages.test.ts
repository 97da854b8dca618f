import fc from "fast-check";
import t from "tap";
import { toHex } from "../../lanes/bytes.ts";
import {
  decodeRangeRequest,
  decodeStatus,
  decodeSubmitAnswer,
  encodeRangeRequest,
  encodeStatus,
  encodeSubmitAnswer,
  RANGE_BLOCKS_MAX,
  RANGE_REQUEST_BYTES,
  STATUS_BYTES,
  SUBMIT_ANSWER_BYTES_MAX,
} from "../../node/p2p/messages.ts";

const height = fc.nat({ max: Number.MAX_SAFE_INTEGER - RANGE_BLOCKS_MAX });

t.test("range requests: round trip and bounds", async (t) => {
  fc.assert(
    fc.property(height, fc.integer({ min: 1, max: RANGE_BLOCKS_MAX }), (from, count) => {
      const bytes = encodeRangeRequest({ from, count });
      const back = decodeRangeRequest(bytes);
      return (
        bytes.length === RANGE_REQUEST_BYTES &&
        back.ok &&
        back.value.from === from &&
        back.value.count === count
      );
    }),
  );
  const refused = [
    encodeRangeRequest({ from: 1, count: 0 }),
    encodeRangeRequest({ from: 1, count: RANGE_BLOCKS_MAX + 1 }),
    new Uint8Array(RANGE_REQUEST_BYTES).fill(0xff),
    new Uint8Array(RANGE_REQUEST_BYTES - 1),
    new Uint8Array(RANGE_REQUEST_BYTES + 1),
  ];
  for (const bytes of refused)
    t.match(decodeRangeRequest(bytes), { ok: false, code: "PEER_FAULT" });
});

t.test("status: round trip and bounds", async (t) => {
  fc.assert(
    fc.property(
      fc.record({
        chainId: height,
        genesisHash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex),
        unsafe: height,
        safe: height,
        role: fc.constantFrom("sequencer" as const, "follower" as const),
      }),
      (status) => {
        const bytes = encodeStatus(status);
        const back = decodeStatus(bytes);
        return (
          bytes.length === STATUS_BYTES &&
          back.ok &&
          JSON.stringify(Object.entries(back.value).sort()) ===
            JSON.stringify(Object.entries(status).sort())
        );
      },
    ),
  );
  t.match(decodeStatus(new Uint8Array(STATUS_BYTES).fill(0xff)), { ok: false });
  t.match(decodeStatus(new Uint8Array(STATUS_BYTES - 1)), { ok: false });
  const badRole = new Uint8Array(STATUS_BYTES);
  badRole[STATUS_BYTES - 1] = 2;
  t.match(decodeStatus(badRole), { ok: false });
});

t.test("submit answers: round trip, size, and nothing but the two shapes", async (t) => {
  const taken = {
    ok: true,
    hash: `0x${"ab".repeat(32)}`,
    lane: "fast",
    rank: 1,
    accepted: 2n ** 40n + 7n,
    deadlineBlock: 9,
    isGapped: false,
  } as const;
  const refused = { ok: false, code: "NONCE_TOO_LOW", data: { nonce: 3, of: "a" } } as const;
  for (const answer of [taken, refused]) {
    const back = decodeSubmitAnswer(encodeSubmitAnswer(answer));
    t.same(back, { ok: true, value: answer });
  }
  const large = encodeSubmitAnswer({ ok: false, code: "INTERNAL", data: { x: "y".repeat(5000) } });
  t.ok(large.length <= SUBMIT_ANSWER_BYTES_MAX);
  t.same(decodeSubmitAnswer(large), { ok: true, value: { ok: false, code: "INTERNAL", data: {} } });
  const json = (change: object) =>
    JSON.stringify({ ...taken, accepted: String(taken.accepted), ...change });
  t.match(decodeSubmitAnswer(new TextEncoder().encode(json({}))), { ok: true });
  const wrong = [
    "",
    "null",
    "[]",
    "{",
    '{"ok":true}',
    '{"ok":true,"hash":"0x12","lane":"fast"}',
    json({ lane: "express" }),
    json({ hash: taken.hash.toUpperCase() }),
    json({ more: 1 }),
    json({ accepted: 7 }),
    json({ accepted: "0" }),
    json({ accepted: "-1" }),
    json({ rank: 256 }),
    JSON.stringify({ ...refused, code: "NO_SUCH_CODE" }),
    JSON.stringify({ ...refused, data: { nested: {} } }),
    '{"ok":false,"code":"__proto__","data":{}}',
  ];
  for (const text of wrong)
    t.match(
      decodeSubmitAnswer(new TextEncoder().encode(text)),
      { ok: false, code: "PEER_FAULT" },
      text,
    );
  t.match(decodeSubmitAnswer(Uint8Array.of(0xff, 0xfe)), { ok: false, code: "PEER_FAULT" });
});
