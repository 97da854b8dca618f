/** Call traces as callers see them. Source: geth eth/tracers/native/call.go. */
import type { Hex } from "../../lanes/bytes.ts";
import type { Log } from "../primitives/receipt.ts";

export interface TraceOptions {
  /** Leaves out the calls that the top one makes. */
  readonly onlyTopCall: boolean;
  readonly withLog: boolean;
  /**
   * Bytes of input, output and logs in one answer, frames counted in: more is `LIMIT_EXCEEDED`.
   */
  readonly bytesMax: number;
}

export type CallType =
  "CALL" | "CALLCODE" | "DELEGATECALL" | "STATICCALL" | "CREATE" | "CREATE2" | "SELFDESTRUCT";

export interface TracedLog extends Log {
  /** Place among the logs of the block. */
  readonly index: number;
  /** Calls that the frame had made before. */
  readonly position: number;
}

export interface CallFrame {
  readonly type: CallType;
  readonly from: Hex;
  /** `null` for a creation that failed. */
  readonly to: Hex | null;
  readonly gas: bigint;
  readonly gasUsed: bigint;
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  /** In geth's words; `null` on success. */
  readonly error: string | null;
  /** `null` where the call moves no value by its kind. */
  readonly value: bigint | null;
  readonly calls: readonly CallFrame[];
  readonly logs: readonly TracedLog[];
}

export interface TransactionTrace {
  readonly hash: Hex;
  readonly frame: CallFrame;
}
