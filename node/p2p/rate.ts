/**
 * Token buckets by peer: how often each may ask. Bounded; a forgotten peer starts with a full
 * bucket.
 */
import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import { keepNewest } from "../keep-newest.ts";

const PEERS_MAX = 1024;

export interface RateLimit {
  /** Takes so many tokens; `false` where the peer has fewer left, and none is taken. */
  take(peerId: string, tokens?: number): boolean;
  /** Takes them as soon as they are there: no more than the burst. */
  wait(peerId: string, tokens: number): Promise<void>;
}

export function createRateLimit(
  options: { readonly perSecond: number; readonly burst: number },
  clock: Clock,
): RateLimit {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  const filled = (peerId: string): { tokens: number } => {
    const nowMs = clock.monotonicMs();
    const bucket = buckets.get(peerId) ?? { tokens: options.burst, atMs: nowMs };
    // Deleted and set again, so that the map stays ordered by last use and the oldest can go.
    buckets.delete(peerId);
    buckets.set(peerId, bucket);
    keepNewest(buckets, PEERS_MAX);
    const refill = ((nowMs - bucket.atMs) / 1000) * options.perSecond;
    bucket.tokens = Math.min(options.burst, bucket.tokens + refill);
    bucket.atMs = nowMs;
    return bucket;
  };
  const take = (peerId: string, tokens = 1): boolean => {
    const bucket = filled(peerId);
    if (bucket.tokens < tokens) return false;
    bucket.tokens -= tokens;
    return true;
  };
  return {
    take,
    async wait(peerId, tokens) {
      assert(tokens <= options.burst, "they would never be there");
      while (!take(peerId, tokens)) {
        const missing = tokens - filled(peerId).tokens;
        const waitMs = Math.ceil((missing / options.perSecond) * 1000);
        await new Promise<void>((resolve) => clock.after(waitMs, resolve));
      }
    },
  };
}
