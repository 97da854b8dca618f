/** Signature recovery for whole blocks and journals, off the sequencing thread. */
import type { Hex } from "../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { recoverSender } from "../primitives/signature.ts";
import {
  decodeTransaction,
  type TransactionRefusal,
  type UserTransaction,
} from "../primitives/transaction.ts";

/** A type rather than an interface, so that it is a `Service` of `port.ts`. */
export type RecoverService = {
  /**
   * Sender of each raw transaction; `null` where it does not decode or its signature is invalid.
   */
  recover(raws: readonly Uint8Array[]): readonly (Hex | null)[];
  /** The transaction with its sender, for bytes that nobody has looked at yet. */
  decode(raw: Uint8Array): Verdict<UserTransaction, TransactionRefusal>;
};

export function createRecoverService(): RecoverService {
  return {
    recover: (raws) =>
      raws.map((raw) => {
        const decoded = decodeTransaction(raw);
        return decoded.ok ? recoverSender(decoded.value) : null;
      }),
    decode(raw) {
      const decoded = decodeTransaction(raw);
      if (!decoded.ok) return decoded;
      const sender = recoverSender(decoded.value);
      return sender === null
        ? refuse("TX_SIGNATURE_INVALID")
        : accept({ ...decoded.value, sender });
    },
  };
}
