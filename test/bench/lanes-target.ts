/**
 * What the load talks to: how a transaction is handed in and how its end is heard of, on the
 * sequencer and on anvil.
 *
 * Owns the connections. Fast transactions have connections of their own, and a sender keeps to one,
 * so that its transactions arrive in their order. anvil has no lanes and signs nothing: the answer
 * is its admission, and its inclusion is a polled receipt or a block that `newHeads` told of,
 * whichever is first: anvil's notifications wait forty milliseconds for the acknowledgement of TCP.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Hex } from "../../lanes/bytes.ts";
import {
  type Arrived,
  createHttpClient,
  type HttpClient,
  openSocket,
  type RpcSocket,
} from "./lanes-rpc.ts";

const FAST_CONNECTIONS = 4;
const POLL_WAIT_MAX_MS = 64;
/** Transactions that one subscription names (`rpc/limits.ts`). */
const HASHES_MAX = 256;

export type TargetKind = "pricelane" | "anvil";

export interface TargetAddress {
  readonly kind: TargetKind;
  readonly httpUrl: string;
  readonly wsUrl: string;
}

export interface Outcomes {
  /** `receipt` is the JSON of a signed receipt; `null` where there is none. */
  included(hash: Hex, atMs: number, receipt: unknown): void;
  dropped(hash: Hex, code: string): void;
  /** A block that is the head now. */
  head(number: number, gasUsed: bigint, atMs: number): void;
}

export interface Target {
  /** Resolves with the admission's receipt, `null` where there is none; rejects for a refusal. */
  send(lane: "fast" | "normal", index: number, raw: Hex): Promise<Arrived>;
  /** Transactions of the block; for the time after the measurement. */
  transactionsIn(block: number): Promise<number>;
  close(): void;
}

interface Head {
  readonly number: Hex;
  readonly gasUsed: Hex;
}

/** Opens the connections; of the normal lane only `normalHashes` are told. */
export async function openTarget(
  { kind, wsUrl, httpUrl }: TargetAddress,
  normalHashes: readonly Hex[],
  outcomes: Outcomes,
): Promise<Target> {
  const sockets: RpcSocket[] = [];
  const http = createHttpClient(httpUrl);
  const open = async (notify?: (result: unknown, atMs: number) => void): Promise<RpcSocket> => {
    const socket = await openSocket(wsUrl, notify);
    sockets.push(socket);
    return socket;
  };
  const fast = await Promise.all(Array.from({ length: FAST_CONNECTIONS }, () => open()));
  const normal = await open();
  const control = await open();
  const tellHead = ({ number, gasUsed }: Head, atMs: number): void => {
    outcomes.head(Number(number), BigInt(gasUsed), atMs);
  };
  if (kind === "pricelane") {
    const heads = await open((result, atMs) => {
      tellHead(result as Head, atMs);
    });
    await heads.call("eth_subscribe", ["newHeads"]);
    await watchPreconfirmations(open, normalHashes, outcomes);
  } else {
    const heads = await open((result, atMs) => {
      tellHead(result as Head, atMs);
      void tellTransactions(heads, (result as Head).number, outcomes);
    });
    await heads.call("eth_subscribe", ["newHeads"]);
  }
  const connectionOf = (lane: "fast" | "normal", index: number): RpcSocket =>
    lane === "fast" ? (fast[index % fast.length] ?? normal) : normal;
  return {
    async send(lane, index, raw) {
      const socket = connectionOf(lane, index);
      if (kind === "anvil") {
        const { value: hash, atMs } = await socket.call<Hex>("eth_sendRawTransaction", [raw]);
        void pollReceipt(http, hash, outcomes);
        return { value: null, atMs };
      }
      const answer = await socket.call<{ receipt: unknown }>("lane_sendRawTransaction", [raw]);
      return { value: answer.value.receipt, atMs: answer.atMs };
    },
    async transactionsIn(block) {
      const method = "eth_getBlockTransactionCountByNumber";
      return Number((await control.call<Hex>(method, [`0x${block.toString(16)}`])).value);
    },
    close() {
      http.close();
      for (const socket of sockets) socket.close();
    },
  };
}

async function watchPreconfirmations(
  open: (notify: (result: unknown, atMs: number) => void) => Promise<RpcSocket>,
  normalHashes: readonly Hex[],
  outcomes: Outcomes,
): Promise<void> {
  const hear = (result: unknown, atMs: number): void => {
    const { type, hash, code } = result as { type: string; hash: Hex; code?: string };
    if (type === "inclusion") outcomes.included(hash, atMs, result);
    else outcomes.dropped(hash, code ?? type);
  };
  const fast = await open(hear);
  await fast.call("eth_subscribe", ["preconfirmations", { lane: "fast" }]);
  const normal = await open(hear);
  for (let at = 0; at < normalHashes.length; at += HASHES_MAX)
    await normal.call("eth_subscribe", [
      "preconfirmations",
      { lane: "normal", hashes: normalHashes.slice(at, at + HASHES_MAX) },
    ]);
}

/** A few quick looks: automine is done within milliseconds, and blocks are told of. */
async function pollReceipt(http: HttpClient, hash: Hex, outcomes: Outcomes): Promise<void> {
  try {
    for (let waitMs = 1; waitMs <= POLL_WAIT_MAX_MS; waitMs *= 2) {
      const receipt = await http.call("eth_getTransactionReceipt", [hash]);
      if (receipt !== null) {
        outcomes.included(hash, performance.now(), null);
        return;
      }
      await delay(waitMs);
    }
  } catch {
    // Closed, or no answer in time: blocks are told of too.
  }
}

/** The cheapest that anvil offers: a block's hashes, not its receipts. */
async function tellTransactions(socket: RpcSocket, number: Hex, outcomes: Outcomes): Promise<void> {
  try {
    const { value, atMs } = await socket.call<{ transactions: readonly Hex[] } | null>(
      "eth_getBlockByNumber",
      [number, false],
    );
    for (const hash of value?.transactions ?? []) outcomes.included(hash, atMs, null);
  } catch {
    // The connection was closed: what is not told by then counts as lost.
  }
}
