/**
 * The network as the sequencing thread sees it; libp2p runs in its own worker.
 *
 * Owns: the shape of the two sides. Gossip carries only what is sequenced; transactions and reports
 * go to the sequencer over direct streams. DESIGN 7.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { KeyUse, ReportAnswer, SubmitAnswer } from "../api.ts";
import type { LogLevel } from "../log.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import type { RollupConfig } from "../rollup-config.ts";

/** What the libp2p host needs. */
export interface HostOptions {
  readonly chainId: number;
  readonly role: "sequencer" | "follower";
  /** Multiaddrs to listen on; empty for none. */
  readonly listen: readonly string[];
  /** Multiaddrs with peer id, kept connected. */
  readonly peers: readonly string[];
  /**
   * Ed25519 private key, protobuf as libp2p writes it; made and kept in the data folder at first
   * start.
   */
  readonly identityFile: string;
  /** Folder of the store, opened read-only in the worker to serve blocks. */
  readonly dataDir: string;
  /** What a block signature must recover to, and over which domain. */
  readonly sequencer: `0x${string}`;
  readonly settlement: `0x${string}`;
  readonly l1ChainId: number;
}

/** What the worker needs. */
export interface NetworkOptions extends HostOptions {
  /**
   * Which of the peers' transactions are fast, and which of their reports may be news: these raise
   * the signal on `preemption`.
   */
  readonly policy: RollupConfig["policy"];
  readonly preemption: SharedArrayBuffer;
  /** Lines below it are dropped in the worker: peers can cause many. */
  readonly logLevel: LogLevel;
}

/** What a peer says of its chain. */
export interface PeerStatus {
  readonly chainId: number;
  readonly genesisHash: `0x${string}`;
  readonly unsafe: number;
  readonly safe: number;
}

/** Calls the worker answers. */
export interface NetworkService {
  /** Gossips an encoded signed block. Resolves when handed to the mesh; no peers is no error. */
  publishBlock(bytes: Uint8Array): Promise<void>;
  /**
   * Encoded blocks `from … from+count-1`, each with the sequencer's signature, from some connected
   * peer; fewer where it has fewer, `[]` where nobody answers.
   */
  blocksByRange(from: number, count: number): Promise<readonly Uint8Array[]>;
  /** The highest unsafe head any connected peer reports; `null` without peers. */
  bestPeerHead(): Promise<number | null>;
  /** Sends a raw transaction to the sequencer's peer; throws `SEQUENCER_UNREACHABLE`. */
  submitTransaction(raw: Uint8Array): Promise<SubmitAnswer>;
  /**
   * Sends a verified report to the sequencer's peer; its receipt holds. Throws
   * `SEQUENCER_UNREACHABLE`.
   */
  submitReport(source: number, bytes: Uint8Array): Promise<ReportAnswer>;
  /** What the sequencer has heard from a key; `null` while it hears nobody. Throws the same. */
  keyUse(key: Hex): Promise<KeyUse | null>;
  info(): Promise<{
    readonly peerId: string;
    readonly addresses: readonly string[];
    readonly peers: number;
  }>;
  stop(): Promise<void>;
}

/** Calls the worker makes to the sequencing thread. */
export interface NetworkHandlers {
  /**
   * A block whose form, size, time and signature the worker has checked; not yet lanes nor
   * execution.
   */
  onBlock(bytes: Uint8Array, peerId: string): Promise<void>;
  /** A transaction from a peer, its form checked and its sender recovered; only the sequencer's. */
  onSubmit(transaction: UserTransaction): Promise<SubmitAnswer>;
  /** A report from a peer, verified here; only the sequencer's. */
  onReport(report: VerifiedReport): Promise<ReportAnswer>;
  /** Asked by a peer for a publisher; only the sequencer's. */
  onKeyUse(key: Hex): Promise<KeyUse | null>;
  onStatus(): Promise<PeerStatus>;
}

/** What the libp2p host calls, inside the worker. */
export type HostHandlers = Omit<NetworkHandlers, "onSubmit"> & {
  /** A raw transaction from a peer, form and sender not yet checked. */
  onSubmit(raw: Uint8Array): Promise<SubmitAnswer>;
};
