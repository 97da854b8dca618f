/** Whose turn a report is, and which reports wait. ACCEPTANCE rows 1 to 4, 9, 14. */
import t from "tap";
import { NO_PRICES } from "../../lanes/price-state.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import { ReportBook } from "../../node/sequencer/report-book.ts";
import {
  ETH,
  feedIdOf,
  feedPolicy,
  heard,
  publisherKey,
  type Said,
} from "../lanes/fixtures/reports.ts";
import { addressOf } from "../../node/primitives/signature.ts";

const NOW_MS = 1_800_000_000_000;
const BTC = feedIdOf("BTC/USD");
const policy = feedPolicy([{}, { id: "BTC/USD", maxAgeMs: 3000, readableAgeMs: 4000 }]);

const said = (publisher: number, sequence: number, more: Said = {}): VerifiedReport =>
  heard(publisher, { sequence: BigInt(sequence), publishTimeMs: NOW_MS, ...more });

interface Opened {
  readonly book: ReportBook;
  /** Takes it in, if it is its turn: the code of the refusal, or "taken". */
  take(report: VerifiedReport, nowMs?: number): string;
  waiting(): string[];
  advance(ms: number): void;
}

function open(): Opened {
  let monotonicMs = 0;
  let number = 0n;
  const book = new ReportBook(policy, () => monotonicMs);
  return {
    book,
    take(report, nowMs = NOW_MS) {
      const turn = book.check(report, [], nowMs);
      if (!turn.ok) return turn.code;
      book.put(report, ++number)();
      return "taken";
    },
    waiting: () => book.reports().map(({ hash }) => hash),
    advance(ms) {
      monotonicMs += ms;
    },
  };
}

t.test("a key goes up from where it was, and not too far", async (t) => {
  const { book, take } = open();
  t.equal(take(said(1, 7)), "taken");
  t.equal(take(said(1, 7)), "REPORT_REPLAYED", "the same once more");
  t.equal(take(said(1, 6)), "REPORT_REPLAYED", "one that is older");
  t.equal(take(said(1, 7 + 2 ** 32 + 1)), "REPORT_SEQUENCE_TOO_HIGH");
  t.equal(take(said(1, 7 + 2 ** 32)), "taken");
  t.equal(take(said(1, 1, { hot: 1 })), "taken", "its other key has its own sequence");
  const { key } = said(2, 1);
  book.used(key, 50n);
  book.used(key, 40n);
  t.equal(take(said(2, 50)), "REPORT_REPLAYED", "what the chain has is no news");
  t.equal(take(said(2, 51)), "taken");
});

t.test("times are those of the feed that allows most", async (t) => {
  const { take } = open();
  const at = (sequence: number, publishTimeMs: number, feedId = ETH) =>
    said(3, sequence, { publishTimeMs, observations: [{ feedId, value: 9n }] });
  t.equal(take(at(1, NOW_MS - 2001)), "REPORT_STALE");
  t.equal(take(at(1, NOW_MS + 251)), "REPORT_FROM_FUTURE");
  t.equal(take(at(1, NOW_MS - 2000)), "taken", "what was refused has used no sequence");
  t.equal(take(at(2, NOW_MS + 250)), "taken");
  t.equal(take(at(3, NOW_MS - 2001, BTC)), "taken");
  t.equal(take(at(4, NOW_MS - 3001, BTC)), "REPORT_STALE");
});

t.test("two reports for one sequence end a key, and nothing else", async (t) => {
  const { book, take, waiting } = open();
  const first = said(4, 5, { value: 10n });
  const other = said(4, 5, { value: 11n });
  const own = said(4, 1, { hot: 1, observations: [{ feedId: BTC, value: 3n }] });
  for (const report of [first, own, said(1, 1)]) t.equal(take(report), "taken");
  t.equal(waiting().length, 3);
  const before = book.version;
  t.equal(take(other), "REPORT_CONFLICT");
  t.not(book.version, before, "somebody has to tell the chain");
  t.same(waiting(), [own.hash, said(1, 1).hash], "what the key has said is not heard any more");
  const pair = [first, other].map(({ source, bytes }) => ({ source, bytes }));
  t.same(book.conflicts([]), [pair]);
  t.same(book.conflicts([first.key]), [], "the chain knows");
  t.equal(take(said(4, 6)), "REPORT_KEY_SUSPENDED");
  t.equal(take(said(4, 2, { hot: 1 })), "taken", "its other key is another key");
  const known = book.check(said(2, 1), [addressOf(publisherKey(2))], NOW_MS);
  t.match(known, { ok: false, code: "REPORT_KEY_SUSPENDED" }, "the chain's own list counts too");
  const late = open();
  late.take(first);
  for (let sequence = 6; sequence < 6 + 16; sequence++) late.take(said(4, sequence));
  t.equal(late.take(other), "REPORT_REPLAYED", "only so many are remembered");
});

t.test("a publisher has one rate, whatever its keys; what is over it is not taken", async (t) => {
  const { ratePerSecond, burst } = policy.document.fast.perSender;
  const { take, advance, waiting } = open();
  const next = (sequence: number) => said(1, Math.ceil(sequence / 2), { hot: sequence % 2 });
  let sequence = 0;
  while (sequence < burst) t.equal(take(next(++sequence)), "taken");
  t.equal(take(next(sequence + 1)), "RATE_LIMITED");
  t.equal(take(said(2, 1)), "taken", "others have theirs");
  t.ok(waiting().length <= 2, "of so many only the newest wait");
  advance(1000 / ratePerSecond);
  t.equal(take(next(++sequence)), "taken");
  t.equal(take(next(sequence + 1)), "RATE_LIMITED");
});

t.test("the newest of each publisher and feed waits, until it is of no more use", async (t) => {
  const { book, take, waiting } = open();
  const both = said(1, 1, { observations: [{ value: 1n }, { feedId: BTC, value: 2n }] });
  const eth = said(1, 2, { value: 3n });
  const btc = said(1, 3, { observations: [{ feedId: BTC, value: 4n }] });
  take(both);
  take(eth);
  t.same(waiting(), [both.hash, eth.hash], "still the newest of BTC");
  t.same(book.takeLeft(), []);
  take(btc);
  t.same(waiting(), [eth.hash, btc.hash]);
  t.same(book.takeLeft(), [1n], "the journal need not hold it");
  t.same(book.takeLeft(), [], "said once");
  t.equal(take(said(1, 4, { publishTimeMs: NOW_MS - 1 })), "taken", "acknowledged");
  t.same(waiting(), [eth.hash, btc.hash], "and no news");
  book.prune(NO_PRICES, NOW_MS + 2000);
  t.same(waiting(), [eth.hash, btc.hash]);
  book.prune(NO_PRICES, NOW_MS + 2001);
  t.same(waiting(), [btc.hash], "stale");
  book.prune({ ...NO_PRICES, suspended: [btc.key] }, NOW_MS);
  t.same(waiting(), []);
  t.same(book.takeLeft(), [2n, 3n], "but not the last of the key");
  const early = said(2, 1, { publishTimeMs: NOW_MS + 250 });
  take(early);
  book.prune(NO_PRICES, NOW_MS - 100);
  t.same(waiting(), [early.hash], "its time will come");
});

t.test("the journal keeps a report until it holds the newer one", async (t) => {
  const { book } = open();
  const onDurable = [1, 2, 3].map((number) => book.put(said(1, number), BigInt(number)));
  onDurable[0]?.();
  t.same(book.takeLeft(), [], "acknowledged, and only an unacknowledged one is newer");
  onDurable[1]?.();
  t.same(book.takeLeft(), [1n]);
  t.ok(book.leftBytes > 0, "one is on its way out");
  onDurable[2]?.();
  t.same(book.takeLeft(), [2n]);
  t.equal(book.leftBytes, 0);
});

t.test("how far a key has come stays in the journal, with its last report", async (t) => {
  const { book, take } = open();
  take(said(1, 1));
  take(said(1, 2, { hot: 1 }));
  book.prune(NO_PRICES, NOW_MS + 5000);
  t.same(book.reports(), []);
  t.same(book.takeLeft(), []);
  t.ok(book.leftBytes > 0);
  take(said(1, 3, { publishTimeMs: NOW_MS + 5000 }), NOW_MS + 5000);
  t.same(book.takeLeft(), [1n], "a newer one says it");
  book.used(said(1, 2, { hot: 1 }).key, 9n);
  t.same(book.takeLeft(), [2n], "or the chain does");
  t.equal(book.leftBytes, 0);
});

t.test("a publisher has no more waiting than an epoch has room for", async (t) => {
  const many = feedPolicy([{}, ...Array.from({ length: 19 }, (_, at) => ({ id: `F${at}` }))]);
  const feedIds = many.document.feeds.map(({ feedId }) => feedId);
  const book = new ReportBook(many, () => 0);
  let sequence = 0;
  /** Newer by a millisecond each time, of the first feeds. */
  const take = (publisher: number, feeds: number): string => {
    sequence += 1;
    const observations = feedIds.slice(0, feeds).map((feedId) => ({ feedId, value: 1n }));
    const report = said(publisher, sequence, {
      ...{ observations, publishTimeMs: NOW_MS + sequence },
    });
    const turn = book.check(report, [], NOW_MS + sequence);
    if (!turn.ok) return turn.code;
    book.put(report, BigInt(sequence))();
    return "taken";
  };
  const stairs = Array.from({ length: 20 }, (_, at) => take(1, 20 - at));
  t.ok(stairs.includes("RATE_LIMITED"), "each keeps one feed of the one before waiting");
  const bytes = book.reports().reduce((sum, report) => sum + report.bytes.length, 0);
  t.ok(bytes <= 21 * (82 + 65 + 8), `${bytes} bytes`);
  t.equal(take(1, 20), "taken", "a report of all feeds replaces them");
  t.equal(book.reports().length, 1);
  for (const [at, feedId] of feedIds.entries()) {
    const report = said(2, at + 1, { observations: [{ feedId, value: 1n }] });
    t.match(book.check(report, [], NOW_MS), { ok: true }, "one report for each feed");
    book.put(report, 0n)();
  }
});

t.test("what is no news is let go of when the journal holds it", async (t) => {
  const { book } = open();
  book.put(said(1, 2), 1n)();
  const onDurable = book.put(said(1, 3, { publishTimeMs: NOW_MS - 1 }), 2n);
  book.put(said(1, 4, { publishTimeMs: NOW_MS - 2 }), 3n)();
  t.same(book.takeLeft(), []);
  onDurable();
  t.same(book.takeLeft(), [2n]);
});
