/** What the check of a receipt takes from elsewhere: whose signature counts, how it is read. */
import type { Hex } from "./bytes.ts";
import type { Policy } from "./policy.ts";
import type { SigningDomain } from "./signed.ts";
import { refuse, type Refused, type Verdict } from "./verdict.ts";

export interface ReceiptTrust {
  readonly domain: SigningDomain;
  readonly term: number;
  /** Address of the key that signs in this term. */
  readonly sequencer: Hex;
  /** The policy that a receipt must be of: its classes are what ranks mean. */
  readonly policy: Policy;
  /** Who made a 65-byte signature over a digest; `null` unless it is low-s with `v` 27 or 28. */
  recover(digest: Uint8Array, signature: Uint8Array): Hex | null;
}

export type ReceiptVerdict<T = null> = Verdict<T, "RECEIPT_INVALID">;

/** The part of a receipt that does not hold. */
export function broken(part: string): Refused<"RECEIPT_INVALID"> {
  return refuse("RECEIPT_INVALID", { part });
}
