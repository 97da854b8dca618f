/**
 * How large an epoch may be. An epoch that does not fit a block would stop all prices, so a policy
 * whose epochs might not is refused, and a publisher has no more waiting than was reckoned with.
 * PROTOCOL 5.
 */
import { type Field, FieldError } from "./json-fields.ts";
import { feedsOfPublisher, type PolicyFeed } from "./policy-feeds.ts";
import { OBSERVATIONS_MAX, reportBytes } from "./report.ts";

/** Bytes of a block that are kept for prices, in a chain that has feeds. */
export const PRICE_BYTES_MAX = 200_000;
/** What a list takes for a report in it, beside its bytes. */
const LISTED_BYTES = 8;
/** An epoch's transaction: beside its feeds, and of each. */
const EPOCH_BYTES = 512;
const EPOCH_FEED_BYTES = 192;
const GAS = 200_000n;
const GAS_A_FEED = 150_000n;

/** Bytes in a block of a report with so many of its own. */
export function listedBytes(bytes: number): number {
  return bytes + LISTED_BYTES;
}

/** Gas limit of an epoch that writes so many feeds. */
export function epochGas(feeds: number): bigint {
  return GAS + GAS_A_FEED * BigInt(feeds);
}

/** Bytes in a block of the transaction that writes so many feeds. */
export function epochTransactionBytes(feeds: number): number {
  return EPOCH_BYTES + feeds * EPOCH_FEED_BYTES;
}

/**
 * Bytes in a block of what may wait of a publisher that speaks of so many feeds: a report for each,
 * and one more.
 */
export function waitingBytesMax(feeds: number): number {
  return (feeds + 1) * listedBytes(reportBytes(1));
}

/**
 * Refuses feeds of which an epoch might not fit what is kept for it: gas, and bytes, where every
 * publisher's reports wait, and two of them are in conflict.
 */
export function refuseLargeEpochs(
  fields: { readonly feeds: Field; readonly systemReserveGas: Field },
  feeds: readonly PolicyFeed[],
  systemReserveGas: number,
): void {
  if (feeds.length === 0) return;
  const gas = epochGas(feeds.length);
  if (gas > BigInt(systemReserveGas))
    throw new FieldError(fields.systemReserveGas.path, `at least ${gas}: an epoch of all feeds`);
  const publishers = new Set(feeds.flatMap((feed) => feed.publishers));
  let bytes = epochTransactionBytes(feeds.length);
  for (const publisher of publishers)
    bytes += waitingBytesMax(feedsOfPublisher(feeds, publisher).length);
  bytes += 2 * listedBytes(reportBytes(Math.min(feeds.length, OBSERVATIONS_MAX)));
  if (bytes > PRICE_BYTES_MAX)
    throw new FieldError(
      fields.feeds.path,
      `fewer feeds or publishers: an epoch may have ${bytes} bytes, of ${PRICE_BYTES_MAX}`,
    );
}
