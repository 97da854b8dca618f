/**
 * What publishers say of twenty prices that move, from a seed: the same reports on every machine,
 * really signed. Only sums, products and square roots, which are the same everywhere.
 *
 * The prices are random walks of a stated volatility, each on its own. A publisher reports all of
 * them at once, at a time of its own within each interval, and hears every price a little wrong.
 */
import { createRandom } from "../../devnet/random-walk.ts";
import type { Policy } from "../../lanes/policy.ts";
import { OWN_SOURCE } from "../../lanes/report.ts";
import { type VerifiedReport, verifyReport } from "../../lanes/report-rules.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";
import { FEED_IDS, PUBLISHER_IDS, publisherKey, signedBytes } from "./prices-policy.ts";

/** What a publisher hears differently, at most. */
export const NOISE_BPS = 0.5;
/** Between two reports of a publisher. */
export const REPORT_INTERVAL_MS = 50;
/** Between two publishers. */
const PHASE_MS = REPORT_INTERVAL_MS / PUBLISHER_IDS.length;
const YEAR_S = 365 * 86_400;
/** Of a number that is anything from -1 to 1: its deviation is one. */
const UNIFORM_SPREAD = Math.sqrt(3);
const BPS = 10_000;
/** With eight decimals: from half a cent to five thousand. */
const STARTS = [5e5, 1e8, 25e8, 150e8, 5_000e8];
/** A basis point of the price. */
const CONFIDENCE_PART = BPS;

/** A report, and when it comes in: as it is signed. */
export interface ComingReport {
  readonly atMs: number;
  readonly report: VerifiedReport;
}

/** Where the path begins, and how far it goes. */
export interface PricePath {
  readonly seed: number;
  /** Of a price, a year: 0.6 is sixty percent. */
  readonly volatility: number;
  /** Unix milliseconds. */
  readonly fromMs: number;
  readonly seconds: number;
}

/** The path's reports, in their order. */
export function reportsOfPath(
  policy: Policy,
  { seed, volatility, fromMs, seconds }: PricePath,
): ComingReport[] {
  const random = createRandom(seed);
  const uniform = (): number => 2 * random() - 1;
  const step = volatility * Math.sqrt(PHASE_MS / (1000 * YEAR_S)) * UNIFORM_SPREAD;
  let prices = FEED_IDS.map((_, at) => STARTS[at % STARTS.length] ?? 1e8);
  const coming: ComingReport[] = [];
  for (let at = 0; at < (1000 * seconds) / PHASE_MS; at++) {
    const atMs = fromMs + at * PHASE_MS;
    const publisher = PUBLISHER_IDS[at % PUBLISHER_IDS.length] ?? 0;
    const sequence = BigInt(Math.floor(at / PUBLISHER_IDS.length) + 1);
    prices = prices.map((price) => price * (1 + step * uniform()));
    const observations = prices.map((price, feed) => ({
      feedId: FEED_IDS[feed] ?? "0x",
      value: BigInt(Math.round(price * (1 + (NOISE_BPS / BPS) * uniform()))),
      confidence: BigInt(Math.round(price / CONFIDENCE_PART)),
      session: 0,
    }));
    const report = { sequence, publishTimeMs: atMs, observations };
    const { feedSet } = policy.document;
    const bytes = signedBytes(feedSet, report, publisherKey(publisher));
    const verified = verifyReport(OWN_SOURCE, bytes, policy, recoverSigner);
    if (!verified.ok) throw new Error(verified.code);
    coming.push({ atMs, report: verified.value });
  }
  return coming;
}
