/**
 * What the RPC threads read by themselves: blocks, logs, state, proofs, simulated and traced calls,
 * at the head, at every block whose state is kept, and in the open block.
 *
 * Owns the snapshot under each answer: whatever needs more than one record sees one version of the
 * database, while the sequencing thread commits; the name of a block is looked up in it, too.
 * Does not own limits of the RPC server or JSON. Costs the sequencing thread nothing (DESIGN I10).
 */
import type { Hex } from "../lanes/bytes.ts";
import type { Classification } from "../lanes/classify.ts";
import type { Policy } from "../lanes/policy.ts";
import type { SignedFlashblock } from "../lanes/signed-flashblock.ts";
import type { Verdict } from "../lanes/verdict.ts";
import { type BlockPosition, blockPosition, signedFlashblock } from "./chain/signed-flashblock.ts";
import { StoredClasses } from "./chain/stored-classes.ts";
import { systemClock } from "./clock.ts";
import { type ErrorCode, NodeError } from "./errors.ts";
import type { CallOverrides, CallRequest, CallResult } from "./execution/call.ts";
import { estimateGas, simulateCall, traceCall } from "./execution/embedded/call.ts";
import { createDeadline } from "./execution/embedded/deadline.ts";
import { traceTransactions } from "./execution/embedded/replay.ts";
import { type BlockContext, ROLLUP_BLOB_BASE_FEE } from "./execution/embedded/rules.ts";
import {
  contextOfPending,
  createPendingBlocks,
  type PendingBlocks,
  type PendingBody,
  type PendingView,
} from "./execution/embedded/pending.ts";
import { type AccountProof, proveAccount } from "./execution/proof.ts";
import type { CallFrame, TraceOptions, TransactionTrace } from "./execution/trace.ts";
import type { Header } from "./primitives/header.ts";
import type { RollupConfig } from "./rollup-config.ts";
import { type ChainSnapshot, openChainReader } from "./storage/chain-reader.ts";
import { findLogs, type LogFilter, type LogVerdict } from "./storage/logs.ts";
import type { StateReader } from "./storage/state.ts";
import type { ChainReader, StoredBlock } from "./storage/store.ts";

export type { PendingBody } from "./execution/embedded/pending.ts";
export type { LogEntry, LogFilter } from "./storage/logs.ts";

export interface ReaderOptions {
  readonly dataDir: string;
  readonly rollup: RollupConfig;
  /** The rollup's, loaded. */
  readonly policy: Policy;
}

export type BlockTag = "latest" | "pending" | "safe" | "finalized" | "earliest";

/** A height as a caller names it. */
export type BlockHeight =
  | { readonly kind: "tag"; readonly tag: BlockTag }
  | { readonly kind: "number"; readonly number: number };

/** A block as a caller names it. `pending` is `latest` while no open block is known. */
export type BlockId = BlockHeight | { readonly kind: "hash"; readonly hash: Hex };

/** What a simulated call is given beside its request. */
export interface CallOptions {
  readonly overrides: CallOverrides;
  /** Errors: `TIMEOUT` when it has run for so long. */
  readonly timeoutMs: number;
}

export interface TraceLimits extends TraceOptions {
  readonly timeoutMs: number;
}

/**
 * Reads of the store. Whatever names a block throws `BLOCK_NOT_FOUND` where there is none, and
 * what needs its state `STATE_NOT_AVAILABLE`, with the oldest that is kept, where it has gone.
 */
export interface Reader {
  /** Each call by itself is consistent; two calls may see different heads. */
  readonly chain: ChainReader;
  /** Told what the sequencing thread tells of its open block. */
  readonly pending: Pick<PendingBlocks, "add">;
  /** What was executed and is not in the store, block by block, the open one last. */
  pendingBodies(): readonly PendingBody[];
  /**
   * A flashblock of a stored block as it was signed; `null` where there is none, or where the block
   * was not built here.
   */
  flashblock(number: number, index: number): SignedFlashblock | null;
  blockPosition(block: StoredBlock): BlockPosition;
  /** By transaction. Errors: `STORAGE_CORRUPT`. */
  storedClasses(block: StoredBlock): readonly Classification[];
  /** Logs that match, in chain order; synchronous, so within limits. */
  logs(filter: LogFilter): LogVerdict;
  /** Result of `read` on the state after a block. */
  stateAt<T>(id: BlockId, read: (state: StateReader) => T): T;
  /** Simulates a call on the state after a block, as if in that block. */
  call(
    id: BlockId,
    request: CallRequest,
    options: CallOptions,
  ): Promise<Verdict<CallResult, ErrorCode>>;
  /** Least gas limit, of `gasMax` at most, with which the call succeeds. */
  estimateGas(
    id: BlockId,
    request: CallRequest,
    options: CallOptions & { readonly gasMax: bigint },
  ): Promise<Verdict<bigint, ErrorCode>>;
  /** As `call`, but the tree of its calls. */
  traceCall(
    id: BlockId,
    request: CallRequest,
    options: CallOptions & { readonly trace: TraceOptions },
  ): Promise<Verdict<CallFrame, ErrorCode>>;
  /** Merkle proofs under the state root of a sealed block: `pending` is `latest`. */
  proof(id: BlockId, address: Hex, slots: readonly Hex[]): Promise<AccountProof>;
  /**
   * Traces of a block's transactions, or of the one at `index`; `null` for genesis, which executes
   * nothing.
   */
  trace(
    id: BlockId,
    index: number | null,
    limits: TraceLimits,
  ): Promise<readonly TransactionTrace[] | null>;
  close(): Promise<void>;
}

/** Height of a named block; `null` where there is none. */
export function resolveBlock(chain: ChainReader, id: BlockId): number | null {
  if (id.kind === "hash") return chain.numberByHash(id.hash);
  const heads = chain.heads();
  if (id.kind === "number") return id.number <= heads.unsafe.number ? id.number : null;
  switch (id.tag) {
    case "earliest":
      return 0;
    case "safe":
      return heads.safe.number;
    case "finalized":
      return heads.finalized.number;
    case "latest":
    case "pending":
      return heads.unsafe.number;
  }
}

function requireNumber(snapshot: ChainSnapshot, id: BlockId): number {
  const number = resolveBlock(snapshot, id);
  if (number === null) throw new NodeError("BLOCK_NOT_FOUND");
  return number;
}

function requireHeader(snapshot: ChainSnapshot, number: number): { hash: Hex; header: Header } {
  const found = snapshot.headerByNumber(number);
  if (found === null) throw new NodeError("STORAGE_CORRUPT", { record: "header", block: number });
  return found;
}

function contextOfHeader(header: Header): BlockContext {
  const { number, timestamp, gasLimit, beneficiary, prevRandao, parentHash } = header;
  const baseFee = header.baseFeePerGas;
  const blobBaseFee = ROLLUP_BLOB_BASE_FEE;
  return { number, timestamp, gasLimit, baseFee, blobBaseFee, beneficiary, prevRandao, parentHash };
}

/**
 * Opens a reader in any thread of the process that has the store open; close it before the store.
 * Errors: as `openChainReader`.
 */
export async function openReader({ dataDir, rollup, policy }: ReaderOptions): Promise<Reader> {
  const chain = await openChainReader(dataDir);
  const pending = createPendingBlocks();
  const classes = new StoredClasses(policy);

  const inSnapshot = <T>(read: (snapshot: ChainSnapshot) => T): T => {
    const snapshot = chain.snapshot();
    try {
      return read(snapshot);
    } finally {
      void snapshot.release();
    }
  };
  const whileInSnapshot = async <T>(read: (snapshot: ChainSnapshot) => Promise<T>): Promise<T> => {
    const snapshot = chain.snapshot();
    try {
      return await read(snapshot);
    } finally {
      await snapshot.release();
    }
  };
  /** The open block on the head of the snapshot, where it is asked for and known. */
  const pendingIn = (snapshot: ChainSnapshot, id: BlockId): PendingView | null =>
    id.kind === "tag" && id.tag === "pending"
      ? pending.over(snapshot.heads().unsafe, snapshot.state)
      : null;
  const stateIn = (snapshot: ChainSnapshot, id: BlockId): StateReader =>
    pendingIn(snapshot, id)?.state ?? snapshot.stateAt(requireNumber(snapshot, id)).state;
  const simulationIn = (
    snapshot: ChainSnapshot,
    id: BlockId,
    { overrides, timeoutMs }: CallOptions,
  ) => {
    const poll = createDeadline(timeoutMs, () => systemClock.monotonicMs());
    const open = pendingIn(snapshot, id);
    if (open !== null)
      return { rollup, state: open.state, context: contextOfPending(open), overrides, poll };
    const number = requireNumber(snapshot, id);
    const { state } = snapshot.stateAt(number);
    const context = contextOfHeader(requireHeader(snapshot, number).header);
    return { rollup, state, context, overrides, poll };
  };

  return {
    chain,
    pending,
    pendingBodies: () => inSnapshot((snapshot) => pending.bodies(snapshot.heads().unsafe)),
    flashblock: (number, index) =>
      inSnapshot((snapshot) => signedFlashblock(snapshot, { rollup, classes, number, index })),
    blockPosition,
    storedClasses: (block) => inSnapshot((snapshot) => classes.of(snapshot, block)),
    logs: (filter) => inSnapshot((snapshot) => findLogs(snapshot, filter)),
    stateAt: (id, read) => inSnapshot((snapshot) => read(stateIn(snapshot, id))),
    call: (id, request, options) =>
      whileInSnapshot((snapshot) => simulateCall(simulationIn(snapshot, id, options), request)),
    estimateGas: (id, request, options) =>
      whileInSnapshot((snapshot) =>
        estimateGas(simulationIn(snapshot, id, options), request, options.gasMax),
      ),
    traceCall: (id, request, options) =>
      whileInSnapshot((snapshot) =>
        traceCall(simulationIn(snapshot, id, options), request, options.trace),
      ),
    proof: (id, address, slots) =>
      whileInSnapshot((snapshot) => {
        const number = requireNumber(snapshot, id);
        const { stateRoot } = requireHeader(snapshot, number).header;
        return proveAccount(snapshot.stateAt(number), stateRoot, address, slots);
      }),
    trace: (id, index, limits) =>
      whileInSnapshot((snapshot) =>
        traceIn(rollup, snapshot, requireNumber(snapshot, id), index, limits),
      ),
    close: () => chain.close(),
  };
}

async function traceIn(
  rollup: RollupConfig,
  snapshot: ChainSnapshot,
  number: number,
  index: number | null,
  limits: TraceLimits,
): Promise<readonly TransactionTrace[] | null> {
  if (number === 0) return null;
  const { state } = snapshot.stateAt(number - 1);
  const parent = requireHeader(snapshot, number - 1);
  const stored: StoredBlock | null = snapshot.blockByNumber(number);
  const receipts = snapshot.receipts(number);
  if (stored === null || receipts === null)
    throw new NodeError("STORAGE_CORRUPT", { record: "block", block: number });
  const { block } = stored;
  const poll = createDeadline(limits.timeoutMs, () => systemClock.monotonicMs());
  const options = { rollup, state, parent, block, receipts, trace: limits, poll };
  return index === null
    ? traceTransactions(options, 0, block.transactions.length)
    : traceTransactions(options, index, index + 1);
}
