/**
 * Every bound of the RPC surface in one place. A limit that is met has a defined behaviour: an
 * error answer where somebody waits for one, else the connection is closed.
 */

/** What one server instance may be given to hold; tests lower them. */
export interface RpcLimits {
  /** Bytes of a request body or WebSocket message: more would hold the thread in `JSON.parse`. */
  readonly bodyBytesMax: number;
  /** Requests in a batch. */
  readonly batchMax: number;
  /** Requests of one batch, or of one WebSocket connection, in work at a time. */
  readonly concurrencyMax: number;
  /** Requests in work in the whole server. */
  readonly requestsMax: number;
  /** Bytes of an answer, a whole batch's included. */
  readonly responseBytesMax: number;
  /** Open connections, HTTP and WebSocket together. */
  readonly connectionsMax: number;
  readonly connectionsPerIpMax: number;
  /** Time for a client to send its headers. */
  readonly headersTimeoutMs: number;
  /** Time for a client to send its whole request. */
  readonly requestTimeoutMs: number;
  /** Idle time after which an HTTP connection is closed. */
  readonly idleTimeoutMs: number;
  /** How often the two timeouts before are looked at. */
  readonly timeoutCheckMs: number;
  /** Interval of WebSocket pings; a connection that has not answered the last one is closed. */
  readonly pingIntervalMs: number;
  /** Unsent bytes of a WebSocket connection; above it the connection is closed. */
  readonly sendBufferBytesMax: number;
  readonly subscriptionsPerConnectionMax: number;
}

export const DEFAULT_LIMITS: RpcLimits = {
  bodyBytesMax: 256 * 1024,
  batchMax: 100,
  concurrencyMax: 16,
  requestsMax: 4096,
  responseBytesMax: 12 * 1024 * 1024,
  connectionsMax: 4096,
  connectionsPerIpMax: 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 65_000,
  timeoutCheckMs: 5000,
  pingIntervalMs: 30_000,
  sendBufferBytesMax: 16 * 1024 * 1024,
  subscriptionsPerConnectionMax: 64,
};

/** Time that a simulated call, an estimate or a trace may take: geth's default for each. */
export const CALL_TIMEOUT_MS = 5000;
export const TRACE_TIMEOUT_MS = 5000;
/** Bytes of a trace, before hex doubles them: a whole answer stays below `responseBytesMax`. */
export const TRACE_BYTES_MAX = 4 * 1024 * 1024;

/** Addresses of an access list, and slots of each. */
export const ACCESS_LIST_MAX = 1024;
export const AUTHORIZATIONS_MAX = 256;
/** Accounts that a call may pretend, and slots of them all. */
export const OVERRIDE_ACCOUNTS_MAX = 256;
export const OVERRIDE_SLOTS_MAX = 4096;

/** Storage keys of one `eth_getProof`: geth's bound. */
export const PROOF_KEYS_MAX = 1024;

/** Gas of a simulated call; a higher request is lowered to it, as geth does. */
export const CALL_GAS_MAX = 30_000_000n;
/** Bytes of calldata in a simulated call. */
export const CALL_DATA_BYTES_MAX = 128 * 1024;

/** Blocks of one `eth_feeHistory`. */
export const FEE_HISTORY_BLOCKS_MAX = 1024;
export const FEE_HISTORY_PERCENTILES_MAX = 100;

/** Time that `eth_sendRawTransactionSync` waits, and the most that may be asked for. */
export const SYNC_TIMEOUT_MS = 2000;
export const SYNC_TIMEOUT_MAX_MS = 30_000;
/** Callers that wait for a transaction, in one thread: they leave most of `requestsMax` to others. */
export const WAITERS_MAX = 512;
/** Transactions that one subscription to preconfirmations names. */
export const PRECONFIRMATION_HASHES_MAX = 256;

/** geth's bounds of a log filter. */
export const FILTER_ADDRESSES_MAX = 1000;
export const FILTER_TOPICS_MAX = 4;
export const FILTER_ALTERNATIVES_MAX = 1000;

/** Connections to the metrics' port: a scraper or two, and whoever looks by hand. */
export const METRICS_CONNECTIONS_MAX = 16;

/** Blocks that a subscriber is told one by one when the head jumps; older ones are skipped. */
export const HEADS_CATCH_UP_MAX = 64;
