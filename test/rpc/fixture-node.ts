/** Sequencing threads behind the NodeApi's shape: one that takes everything, one that is gone. */
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type {
  KeyUse,
  NodeApi,
  NodeStatus,
  PendingTransaction,
  ReportAnswer,
  SubmitAnswer,
} from "../../node/api.ts";
import { systemClock } from "../../node/clock.ts";
import { NodeError } from "../../node/errors.ts";
import type { Remote } from "../../node/port.ts";
import { FastSignal, PreemptionSignal } from "../../node/preemption-signal.ts";
import type { BlockRef } from "../../node/primitives/block.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import type { RpcContext } from "../../rpc/context.ts";
import { Preconfirmations } from "../../rpc/preconfirmations.ts";
import { ReportSignal } from "../../node/report-signal.ts";
import { type FakeChain, policy, rollup } from "./fixture-chain.ts";

export interface FakeNode {
  readonly remote: Remote<NodeApi>;
  readonly submitted: UserTransaction[];
  /** What `submit` answers; by default that it is taken. */
  answer: SubmitAnswer | null;
  readonly pool: Map<Hex, PendingTransaction>;
  readonly reports: VerifiedReport[];
  /** What `submitReport` answers; by default that none is taken. */
  reportAnswer: ReportAnswer | null;
  /** What was heard from any key; `null` before it sequences. */
  use: KeyUse | null;
}

/** A sequencing thread that takes everything and remembers it. */
export function createFakeNode(): FakeNode {
  const ref: BlockRef = { number: 1, hash: ZERO_HASH };
  const status: NodeStatus = {
    role: "sequencer",
    unsafe: ref,
    safe: ref,
    finalized: ref,
    l1Head: null,
    peers: 2,
    pending: 0,
    queued: 0,
    nextBatchIndex: 1,
    loopDelayMs: { p50: 1, p99: 1, max: 1 },
    threads: { sequencing: 0.5 },
    trouble: null,
    refusals: [],
    equivocations: [],
  };
  const node: FakeNode = {
    submitted: [],
    reports: [],
    reportAnswer: null,
    use: { sequence: 5n, isSuspended: false },
    answer: null,
    pool: new Map(),
    remote: {
      async submit(transaction) {
        if (node.answer !== null) return node.answer;
        node.submitted.push(transaction);
        node.pool.set(transaction.hash, { transaction, lane: "normal" });
        return {
          ok: true,
          hash: transaction.hash,
          lane: "normal",
          rank: 255,
          accepted: 1n,
          deadlineBlock: 0,
          isGapped: false,
        };
      },
      async submitReport(report) {
        if (node.reportAnswer !== null) return node.reportAnswer;
        node.reports.push(report);
        return { ok: false, code: "NOT_ACCEPTING", data: {} };
      },
      waitingReports: async () => node.reports,
      keyUse: async () => node.use,
      async poolNonce(address) {
        const own = [...node.pool.values()].filter(
          ({ transaction }) => transaction.sender === address,
        );
        return own.length === 0
          ? null
          : own.reduce(
              (max, { transaction }) => (transaction.nonce >= max ? transaction.nonce + 1n : max),
              0n,
            );
      },
      pooled: async (hash) => node.pool.get(hash) ?? null,
      poolStatus: async () => ({ pending: node.pool.size, queued: 0 }),
      peerCount: async () => status.peers,
      status: async () => status,
    },
  };
  return node;
}

/** Everything a method works with. */
export function createContext(
  chain: FakeChain,
  node: FakeNode,
): RpcContext & { readonly signal: PreemptionSignal } {
  const clientVersion = "pricelane/v0.0.0-test";
  const signal = PreemptionSignal.create();
  const { reader } = chain;
  const preconfirmations = new Preconfirmations(reader);
  const rich = { nonce: 0n, balance: 2n ** 200n };
  const fastSignal = new FastSignal(signal, policy, () => rich);
  const reportSignal = new ReportSignal(signal, policy, systemClock);
  const waitingReports = () => node.remote.waitingReports();
  const alarmsOf = () => [];
  const told = { preconfirmations, signal, fastSignal, reportSignal, waitingReports, alarmsOf };
  return { reader, node: node.remote, rollup, policy, ...told, clientVersion };
}

/** The same under a policy with another gas limit of transactions. */
export const withMaxTxGas =
  (maxTxGas: number) =>
  (context: RpcContext): RpcContext => {
    const { document } = context.policy;
    const normal = { ...document.normal, maxTxGas };
    return { ...context, policy: { ...context.policy, document: { ...document, normal } } };
  };

/** A thread that is gone. */
export const deadNode: Remote<NodeApi> = {
  submit: async () => Promise.reject(new NodeError("WORKER_FAILED", { channel: "node" })),
  submitReport: async () => Promise.reject(new NodeError("WORKER_FAILED", { channel: "node" })),
  waitingReports: async () => Promise.reject(new NodeError("TIMEOUT")),
  keyUse: async () => Promise.reject(new NodeError("TIMEOUT")),
  poolNonce: async () => Promise.reject(new Error("internal detail 0xsecret")),
  pooled: async () => Promise.reject(new NodeError("TIMEOUT")),
  poolStatus: async () => Promise.reject(new NodeError("TIMEOUT")),
  peerCount: async () => Promise.reject(new NodeError("TIMEOUT")),
  status: async () => Promise.reject(new NodeError("TIMEOUT")),
};
