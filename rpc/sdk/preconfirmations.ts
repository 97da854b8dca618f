/**
 * What a sequencer promises, as it does: inclusion receipts, each checked before it is told, and
 * drops.
 *
 * Owns the subscription of a viem client. A connection that breaks is the transport's to mend.
 */
import type { Client } from "viem";
import type { Hex } from "../../lanes/bytes.ts";
import { checkReceiptJson } from "../../lanes/check-receipt.ts";
import type { InclusionReceipt } from "../../lanes/inclusion.ts";
import type { ReceiptTrust } from "../../lanes/receipt-trust.ts";
import { NodeError } from "../../node/errors.ts";
import { subscribe } from "./subscribing.ts";

/** A transaction that was taken in and will not stand in any block. */
export interface DropNotice {
  readonly hash: Hex;
  readonly lane: "fast" | "normal";
  /** As in ERRORS.md. */
  readonly code: string;
  readonly message: string;
}

export interface WatchOptions {
  /** @default "fast", or "all" where hashes are given */
  readonly lane?: "fast" | "normal" | "all";
  /** Only these transactions. */
  readonly hashes?: readonly Hex[];
  /** Whose receipts are believed: `trustOf` of the rollup file. */
  readonly trust: ReceiptTrust;
  /** A receipt that holds. */
  readonly onInclusion: (receipt: InclusionReceipt) => void;
  readonly onDrop?: (drop: DropNotice) => void;
  /** `RECEIPT_INVALID`: the node said something that does not hold; or what the transport throws. */
  readonly onError?: (error: unknown) => void;
}

/** Resolves when the node has begun to tell; call the result to end it. Errors: as `subscribe`. */
export async function watchPreconfirmations(
  client: Pick<Client, "transport">,
  { lane, hashes, trust, onInclusion, onDrop, onError }: WatchOptions,
): Promise<() => Promise<void>> {
  const onData = ({ result }: { readonly result: unknown }): void => {
    if (isDrop(result)) {
      onDrop?.(result);
      return;
    }
    const checked = checkReceiptJson(result, trust);
    if (!checked.ok) onError?.(new NodeError(checked.code, checked.data));
    else if (checked.value.type === "inclusion") onInclusion(checked.value.receipt);
  };
  return subscribe(client, ["preconfirmations", { lane, hashes }], {
    onData,
    onError: (error) => onError?.(error),
  });
}

function isDrop(result: unknown): result is DropNotice {
  return (
    typeof result === "object" && result !== null && "type" in result && result.type === "drop"
  );
}
