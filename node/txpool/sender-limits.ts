/**
 * What one account may ask of the sequencer: how often it submits and replaces, and how much work
 * it may waste. Leaky buckets; whoever is over one waits, and is clean again by itself.
 *
 * Only waste counts, never work that is paid for: transactions that failed where only success
 * stands, that turned out invalid, or gave way. ACCEPTANCE rows 19 and 20.
 * Bounded by `SENDERS_MAX`: the account that was seen longest ago is forgotten, throttled ones last;
 * to be forgotten early takes that many other accounts with funds.
 */
import type { Hex } from "../../lanes/bytes.ts";

/** Replacements an account may make: at once, and each second. */
const REPLACEMENT_BURST = 20;
const REPLACEMENTS_PER_SECOND = 5;
/** Strikes that are forgiven: at once, and each second. */
const STRIKES_MAX = 8;
const STRIKES_PER_SECOND = 0.2;
/** Milliseconds of wasted work: at once, and each second. */
const WASTE_MAX_MS = 250;
const WASTE_PER_SECOND_MS = 25;
/** How long an account waits that is over; longer, where it has wasted more at once. */
const THROTTLE_MS = 5_000;
/** Accounts that are remembered. */
const SENDERS_MAX = 16_384;
/** Accounts looked at for one to forget. */
const FORGET_TRIES = 8;

/** The level falls by `perSecond`; over `max` it is too much. */
interface Bucket {
  level: number;
  atMs: number;
}

interface Sender {
  readonly fast: Bucket;
  readonly replacements: Bucket;
  readonly strikes: Bucket;
  readonly waste: Bucket;
  throttledUntilMs: number;
}

export interface SenderLimitsOptions {
  /** The policy's `fast.perSender`. */
  readonly ratePerSecond: number;
  readonly burst: number;
}

export class SenderLimits {
  readonly #options: SenderLimitsOptions;
  readonly #nowMs: () => number;
  /** The one seen last is last. */
  readonly #senders = new Map<Hex, Sender>();

  /** `nowMs` is monotonic. */
  constructor(options: SenderLimitsOptions, nowMs: () => number) {
    this.#options = options;
    this.#nowMs = nowMs;
  }

  /** Whether the account may submit one more to the fast lane now; it counts where it may. */
  takeFast(sender: Hex): boolean {
    const { ratePerSecond, burst } = this.#options;
    return this.#fill(this.#seen(sender).fast, 1, ratePerSecond, burst);
  }

  takeReplacement(sender: Hex): boolean {
    const { replacements } = this.#seen(sender);
    return this.#fill(replacements, 1, REPLACEMENTS_PER_SECOND, REPLACEMENT_BURST);
  }

  /** A transaction of the account failed where only success stands. */
  strike(sender: Hex): void {
    const seen = this.#seen(sender);
    if (!this.#fill(seen.strikes, 1, STRIKES_PER_SECOND, STRIKES_MAX)) this.#throttle(seen);
  }

  /** The account's transaction took this long, and nobody paid for it. */
  spend(sender: Hex, ms: number): void {
    const seen = this.#seen(sender);
    if (!this.#fill(seen.waste, ms, WASTE_PER_SECOND_MS, WASTE_MAX_MS)) this.#throttle(seen, ms);
  }

  isThrottled(sender: Hex): boolean {
    return this.#nowMs() < (this.#senders.get(sender)?.throttledUntilMs ?? 0);
  }

  #throttle(sender: Sender, wastedMs = 0): void {
    const untilMs = this.#nowMs() + Math.max(THROTTLE_MS, wastedMs);
    sender.throttledUntilMs = Math.max(sender.throttledUntilMs, untilMs);
  }

  /** Adds to a bucket; one that would overflow stays as it is. */
  #fill(bucket: Bucket, amount: number, perSecond: number, max: number): boolean {
    const nowMs = this.#nowMs();
    const leaked = ((nowMs - bucket.atMs) / 1000) * perSecond;
    bucket.level = Math.max(0, bucket.level - leaked);
    bucket.atMs = nowMs;
    if (bucket.level + amount > max) return false;
    bucket.level += amount;
    return true;
  }

  #seen(address: Hex): Sender {
    const known = this.#senders.get(address);
    const bucket = (): Bucket => ({ level: 0, atMs: this.#nowMs() });
    const sender = known ?? {
      fast: bucket(),
      replacements: bucket(),
      strikes: bucket(),
      waste: bucket(),
      throttledUntilMs: 0,
    };
    this.#senders.delete(address);
    if (this.#senders.size >= SENDERS_MAX) this.#forgetOne();
    this.#senders.set(address, sender);
    return sender;
  }

  #forgetOne(): void {
    let oldest: Hex | undefined;
    let tries = 0;
    for (const [address, { throttledUntilMs }] of this.#senders) {
      oldest ??= address;
      if (throttledUntilMs <= this.#nowMs()) {
        oldest = address;
        break;
      }
      if (++tries >= FORGET_TRIES) break;
    }
    if (oldest !== undefined) this.#senders.delete(oldest);
  }
}
