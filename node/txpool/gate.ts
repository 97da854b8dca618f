/**
 * Whether a transaction that is good by itself gets into the txpool: what its account may have
 * here, and whether there is room. Owns the order of these checks. Does not own room and rates
 * themselves (`room.ts`, `sender-limits.ts`), nor what one transaction must be (`validate.ts`).
 */
import type { Policy } from "../../lanes/policy.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import type { ErrorCode } from "../errors.ts";
import type { AccountView } from "../execution/engine.ts";
import type { Room } from "./room.ts";
import type { SenderLimits } from "./sender-limits.ts";
import { type PooledTransaction, promisedLane, type SenderQueue } from "./sender-queue.ts";
import { checkReplacement, maxCost } from "./validate.ts";

export interface GateDeps {
  readonly policy: Policy;
  /** The open block's. */
  readonly baseFee: bigint;
  /** Transactions of one account. */
  readonly accountMax: number;
  readonly room: Room;
  readonly limits: SenderLimits;
}

/**
 * Who must leave for it, if anybody. A transaction that passes has been counted against the rates
 * of its account. `queue` are the account's pooled transactions.
 */
export function passGate(
  item: PooledTransaction,
  account: AccountView,
  queue: SenderQueue | undefined,
  deps: GateDeps,
): Verdict<PooledTransaction | null, ErrorCode> {
  const { limits } = deps;
  const { sender } = item.transaction;
  if (limits.isThrottled(sender)) return refuse("SENDER_THROTTLED");
  const room = checkRoom(item, account, queue, deps);
  if (!room.ok) return room;
  // Last, because it counts.
  const isReplacement = queue?.get(item.transaction.nonce) !== undefined;
  if (isReplacement && !limits.takeReplacement(sender))
    return refuse("RATE_LIMITED", { of: "replacements" });
  if ((promisedLane(item) === "fast" || item.conditions !== null) && !limits.takeFast(sender))
    return refuse("RATE_LIMITED", { of: "fast" });
  return room;
}

function checkRoom(
  item: PooledTransaction,
  account: AccountView,
  queue: SenderQueue | undefined,
  { policy, accountMax, baseFee, room }: GateDeps,
): Verdict<PooledTransaction | null, ErrorCode> {
  const { nonce } = item.transaction;
  const { maxPending } = policy.document.fast.perSender;
  const isFast = promisedLane(item) === "fast";
  const cost = maxCost(item.transaction) + (queue?.costWithout(nonce) ?? 0n);
  if (cost > account.balance)
    return refuse("INSUFFICIENT_FUNDS", { have: String(account.balance), want: String(cost) });
  const old = queue?.get(nonce);
  const alone = checkAlone(item, account, queue);
  if (!alone.ok) return alone;
  if (old !== undefined) {
    // One step at a time: an unacknowledged one may still have to give its place back.
    // And one that the engine has may already stand in the block.
    if (!old.durable || old.executing) return refuse("SENDER_LIMIT", { nonce: String(nonce) });
    const replaced = checkReplacement(old.transaction, item.transaction);
    if (!replaced.ok) return replaced;
    // It takes the old one's room, but in the old one's lane only.
    if (promisedLane(old) === promisedLane(item))
      return room.fitsInPlaceOf(old, item) ? accept(null) : refuse("POOL_FULL", { gapped: false });
  } else if ((queue?.size ?? 0) >= accountMax) return refuse("SENDER_LIMIT", { limit: accountMax });
  if (isFast && (queue?.fastCount ?? 0) >= maxPending)
    return refuse("SENDER_LIMIT", { limit: maxPending });
  const isGapped = nonce > (queue?.nextNonce(account.nonce) ?? account.nonce);
  if (room.fits(item, isGapped)) return accept(null);
  // Only for one that can be executed now: a high tip behind a low one costs nothing to offer.
  const isExecutable = nonce === account.nonce && !isFast;
  const evicted = isExecutable ? room.evictable(item, baseFee) : null;
  return evicted === null ? refuse("POOL_FULL", { gapped: isGapped }) : accept(evicted);
}

/**
 * One with conditions is alone: what stood behind it would hold room for as long as they do not
 * hold, without paying for it.
 */
function checkAlone(
  { transaction: { nonce }, conditions }: PooledTransaction,
  account: AccountView,
  queue: SenderQueue | undefined,
): Verdict<null, ErrorCode> {
  const own = queue?.get(nonce);
  const others = (queue?.size ?? 0) - (own === undefined ? 0 : 1);
  const conditional = (queue?.conditionalCount ?? 0) - ((own?.conditions ?? null) === null ? 0 : 1);
  if (conditional > 0 || (conditions !== null && others > 0))
    return refuse("SENDER_LIMIT", { conditional: true });
  if (conditions !== null && nonce !== account.nonce)
    return refuse("NONCE_TOO_HIGH", { nonce: String(account.nonce), conditional: true });
  return accept(null);
}
