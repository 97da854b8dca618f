/**
 * What is left of the open block, whoever asks: gas, bytes and time.
 *
 * Owns that the gas which the policy reserves for the system is kept for epochs. PROTOCOL 4.
 */
import { epochGas } from "../../lanes/epoch-size.ts";
import type { LanePrices } from "../../lanes/lane-data.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { Chain } from "../chain/chain.ts";
import type { Clock } from "../clock.ts";
import type { Engine } from "../execution/engine.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";
import type { BlockAssembly } from "./block-assembly.ts";
import type { BlockRoom } from "./selection.ts";

export interface BlockRoomDeps {
  readonly chain: Pick<Chain, "gasLimit">;
  readonly engine: Pick<Engine, "gasUsed">;
  readonly clock: Clock;
  readonly policy: Policy;
}

/** Of one block. */
export class OpenBlockRoom implements BlockRoom {
  readonly #deps: BlockRoomDeps;
  readonly #assembly: BlockAssembly;
  readonly #sealAtMs: number;
  readonly #startedAtMs: number;
  /** Gas that only epochs get. */
  #reserved: bigint;

  constructor(deps: BlockRoomDeps, assembly: BlockAssembly, sealAtMs: number) {
    this.#deps = deps;
    this.#assembly = assembly;
    this.#sealAtMs = sealAtMs;
    this.#startedAtMs = deps.clock.nowMs();
    const { feeds, systemReserveGas } = deps.policy.document;
    this.#reserved = feeds.length === 0 ? 0n : BigInt(systemReserveGas);
  }

  gasFree(): bigint {
    const free = this.#unused - this.#reserved;
    return free > 0n ? free : 0n;
  }

  fitsBytes({ transaction }: PooledTransaction): boolean {
    return this.#assembly.fitsBytes(transaction);
  }

  time(): { readonly leftMs: number; readonly totalMs: number } {
    const totalMs = Math.max(1, this.#sealAtMs - this.#startedAtMs);
    const leftMs = Math.min(totalMs, Math.max(0, this.#sealAtMs - this.#deps.clock.nowMs()));
    return { leftMs, totalMs };
  }

  fitsEpoch(prices: LanePrices, feeds: number): boolean {
    return epochGas(feeds) <= this.#unused && this.#assembly.fitsPrices(prices, feeds);
  }

  /** An epoch has used this much. */
  tookEpoch(gas: bigint): void {
    this.#reserved = this.#reserved > gas ? this.#reserved - gas : 0n;
  }

  get #unused(): bigint {
    return this.#deps.chain.gasLimit - this.#deps.engine.gasUsed();
  }
}
