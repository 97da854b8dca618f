/**
 * Token buckets by peer: how often each may ask. Bounded; a forgotten peer starts with a full
 * bucket.
 */
import type { Clock } from "../clock.ts";

const PEERS_MAX = 1024;

export interface RateLimit {
  /** Takes so many tokens; `false` where the peer has fewer left, and none is taken. */
  take(peerId: string, tokens?: number): boolean;
}

export function createRateLimit(
  options: { readonly perSecond: number; readonly burst: number },
  clock: Clock,
): RateLimit {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take(peerId, tokens = 1) {
      const nowMs = clock.monotonicMs();
      const bucket = buckets.get(peerId) ?? { tokens: options.burst, atMs: nowMs };
      // Deleted and set again, so that the map stays ordered by last use and the oldest can go.
      buckets.delete(peerId);
      buckets.set(peerId, bucket);
      if (buckets.size > PEERS_MAX) {
        const [oldest] = buckets.keys();
        if (oldest !== undefined) buckets.delete(oldest);
      }
      const refill = ((nowMs - bucket.atMs) / 1000) * options.perSecond;
      bucket.tokens = Math.min(options.burst, bucket.tokens + refill);
      bucket.atMs = nowMs;
      if (bucket.tokens < tokens) return false;
      bucket.tokens -= tokens;
      return true;
    },
  };
}
