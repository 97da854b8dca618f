/**
 * An account of the market's people: its key, its nonce, its signatures. Keys are made from names
 * and public, as all of the devnet's are. Signs with the native library: the crowd needs hundreds
 * of signatures a second.
 */
import { keccak256, parseSignature, serializeTransaction, stringToHex } from "viem";
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { addressOf, signDigest } from "../../node/primitives/signature.ts";
import { L2_CHAIN_ID } from "../chains.ts";

/** Far above what full blocks make of the base fee in the longest scenario. */
const BASE_FEE_MAX_WEI = 10n ** 24n;

export interface WalletCall {
  readonly to: Hex;
  readonly data: Hex;
  readonly gas: bigint;
  readonly tipWei: bigint;
}

export interface SignedCall {
  readonly raw: Hex;
  readonly hash: Hex;
}

export class Wallet {
  readonly address: Hex;
  readonly #key: Uint8Array;
  /** Of the next transaction. */
  nonce = 0;

  constructor(name: string) {
    this.#key = fromHex(keccak256(stringToHex(`pricelane devnet market: ${name}`)));
    this.address = addressOf(this.#key);
  }

  /** Signs with the next nonce, which stays: only what was taken in has used it. */
  sign({ to, data, gas, tipWei }: WalletCall): SignedCall {
    const transaction = {
      ...({ type: "eip1559", chainId: L2_CHAIN_ID, nonce: this.nonce, to, data, gas } as const),
      ...{ maxFeePerGas: BASE_FEE_MAX_WEI + tipWei, maxPriorityFeePerGas: tipWei },
    };
    const signature = parseSignature(this.signHash(keccak256(serializeTransaction(transaction))));
    const raw = serializeTransaction(transaction, signature);
    return { raw, hash: keccak256(raw) };
  }

  /** 65 bytes: r, s, v. */
  signHash(hash: Hex): Hex {
    return toHex(signDigest(fromHex(hash), this.#key));
  }
}
