/** Signature recovery for whole blocks and journals, off the sequencing thread. */
import type { Hex } from "../../lanes/bytes.ts";
import { recoverSender } from "../primitives/signature.ts";
import { decodeTransaction } from "../primitives/transaction.ts";

/** A type rather than an interface, so that it is a `Service` of `port.ts`. */
export type RecoverService = {
  /**
   * Sender of each raw transaction; `null` where it does not decode or its signature is invalid.
   */
  recover(raws: readonly Uint8Array[]): readonly (Hex | null)[];
};

export function createRecoverService(): RecoverService {
  return {
    recover: (raws) =>
      raws.map((raw) => {
        const decoded = decodeTransaction(raw);
        return decoded.ok ? recoverSender(decoded.value) : null;
      }),
  };
}
