/**
 * What a follower remembers of the transactions it has handed to the sequencer, so that a client
 * which talks to the follower alone sees its own pending ones: their nonces and their bodies.
 *
 * Bounded: the oldest is forgotten first. Does not own: admission, which is the sequencer's.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { PendingTransaction, SubmitAnswer } from "../api.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import { keepNewest } from "../keep-newest.ts";

/** Transactions remembered. */
const REMEMBERED_MAX = 4096;

export interface ForwardedDeps {
  submitTransaction(raw: Uint8Array): Promise<SubmitAnswer>;
  /** Nonce of an account at the follower's head. */
  nonce(address: Hex): bigint;
}

export interface Forwarded {
  submit(transaction: UserTransaction): Promise<SubmitAnswer>;
  /** The nonce after those forwarded; `null` where none of the account's is pending. */
  nextNonce(address: Hex): bigint | null;
  /** A forwarded transaction that is not executed yet. */
  get(hash: Hex): PendingTransaction | null;
}

export function createForwarded(deps: ForwardedDeps): Forwarded {
  const byHash = new Map<Hex, PendingTransaction>();

  const isPending = ({ transaction }: PendingTransaction): boolean =>
    transaction.nonce >= deps.nonce(transaction.sender);

  return {
    async submit(transaction) {
      const answer = await deps.submitTransaction(transaction.raw);
      if (!answer.ok) return answer;
      byHash.set(transaction.hash, { transaction, lane: answer.lane });
      keepNewest(byHash, REMEMBERED_MAX);
      return answer;
    },
    nextNonce(address) {
      const nonces = new Set<bigint>();
      for (const [hash, item] of byHash) {
        if (item.transaction.sender !== address) continue;
        if (isPending(item)) nonces.add(item.transaction.nonce);
        else byHash.delete(hash);
      }
      if (nonces.size === 0) return null;
      let next = deps.nonce(address);
      while (nonces.has(next)) next += 1n;
      return next;
    },
    get(hash) {
      const item = byHash.get(hash);
      return item !== undefined && isPending(item) ? item : null;
    },
  };
}
