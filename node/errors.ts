/**
 * The one table of error codes. Call sites give only the code; severity, gossip action, JSON-RPC
 * number and sentence are here, and ERRORS.md is compared with it by a test.
 *
 * Codes are stable across majors, messages are not. Three kinds (STYLE 3): programmer errors
 * assert; operating errors throw `NodeError`; untrusted input gets a `Verdict` with one of these
 * codes.
 */
/**
 * `retry`: the same call may succeed later. `reset`: the caller must change something first.
 * `fatal`: the process stops.
 */
type Severity = "retry" | "reset" | "fatal";
/**
 * What gossip does with a message that carries the fault; `reject` only where an honest sender
 * could have known.
 */
type GossipAction = "ignore" | "reject";

interface ErrorRow {
  readonly severity: Severity;
  readonly gossip: GossipAction;
  /** JSON-RPC error number, as in ethereum/execution-apis' error groups where one fits. */
  readonly rpc: number;
  readonly text: string;
}

const row = (severity: Severity, gossip: GossipAction, rpc: number, text: string): ErrorRow => ({
  severity,
  gossip,
  rpc,
  text,
});

/** The txpool's refusals, and what it tells of transactions it has dropped. */
const waits = (text: string): ErrorRow => row("retry", "ignore", -32003, text);
const refused = (text: string): ErrorRow => row("reset", "ignore", -32003, text);
/** What nobody who is honest sends. */
const malformed = (text: string): ErrorRow => row("reset", "reject", -32602, text);
/** Of a publisher's report. */
const report = (text: string): ErrorRow => row("reset", "ignore", -32003, text);
/** Nothing a peer or a client did. */
const stops = (text: string): ErrorRow => row("fatal", "ignore", -32000, text);

export const ERRORS = {
  // Transactions
  TX_TOO_LARGE: malformed("The transaction is larger than 120 KB."),
  TX_MALFORMED: malformed("The bytes are not one canonically encoded transaction."),
  TX_TYPE_NOT_SUPPORTED: malformed("Types 0x00, 0x01, 0x02 and 0x04 are accepted here."),
  TX_SIGNATURE_INVALID: malformed("The signature is missing, high-s, or recovers to nobody."),
  TX_INVALID: malformed("The fields of the transaction contradict each other."),
  CHAIN_ID_MISMATCH: row(
    "reset",
    "reject",
    -32000,
    "The transaction is signed for another chain, or for none.",
  ),
  GAS_LIMIT_TOO_HIGH: row(
    "reset",
    "reject",
    804,
    "The gas limit is above the limit for one transaction.",
  ),
  INTRINSIC_GAS_TOO_LOW: row(
    "reset",
    "reject",
    800,
    "The gas limit does not cover the transaction's intrinsic cost.",
  ),
  BLOCK_GAS_EXCEEDED: row(
    "retry",
    "ignore",
    804,
    "The transaction does not fit the gas left in the block.",
  ),
  FEE_CAP_TOO_LOW: row("retry", "ignore", 1000, "maxFeePerGas is below the base fee."),
  TIP_ABOVE_FEE_CAP: row("reset", "reject", 1001, "maxPriorityFeePerGas is above maxFeePerGas."),
  NONCE_TOO_LOW: refused("The account has already used this nonce."),
  NONCE_TOO_HIGH: waits("The nonce is too far ahead of the account's nonce."),
  INSUFFICIENT_FUNDS: waits(
    "The balance does not cover value and gas of the account's pending transactions.",
  ),
  SENDER_NOT_EOA: refused("The sender is a contract."),
  ALREADY_KNOWN: refused("The transaction is already in the txpool."),
  REPLACEMENT_UNDERPRICED: refused("A replacement must raise both fees by at least 10 %."),
  REPLACED: refused("Another transaction of the sender with the same nonce took its place."),
  POOL_FULL: waits("The txpool is full; nothing that was acknowledged is dropped for a newcomer."),
  SENDER_LIMIT: waits("The sender has too many transactions waiting."),
  TX_REVERTED: row(
    "reset",
    "ignore",
    3,
    "The fast-lane transaction would revert; it was dropped without a trace and counts as a strike.",
  ),
  TX_EXPIRED: waits("The fast-lane transaction was not executable before its deadline block."),
  CLASS_CHANGED: waits(
    "The transaction was accepted for the fast lane and no longer belongs to it.",
  ),
  CONDITION_FAILED: refused(
    "A condition that the transaction was sent with does not hold; it was not executed.",
  ),
  RATE_LIMITED: waits("The sender submits more often than the policy or the txpool allows."),
  SENDER_THROTTLED: waits(
    "The sender's transactions failed or wasted time too often; it must wait.",
  ),
  EVICTED: waits("The txpool was full and a transaction that pays more took the place."),
  SYNC_TIMEOUT: row(
    "retry",
    "ignore",
    4,
    "The transaction was taken in and not executed in the time that was given.",
  ),
  SYNC_GAPPED: row(
    "reset",
    "ignore",
    5,
    "The transaction was taken in and waits for one with a lower nonce; send that first.",
  ),
  SEQUENCER_UNREACHABLE: row(
    "retry",
    "ignore",
    -32000,
    "This node hands transactions and reports to the sequencer and cannot reach it, or its answer does not hold.",
  ),
  NOT_ACCEPTING: row(
    "retry",
    "ignore",
    -32000,
    "The node is starting, stopping, or has stopped sequencing.",
  ),

  // Reports
  REPORT_SOURCE_UNKNOWN: report("Only source 0, this protocol's own format, is taken."),
  REPORT_MALFORMED: report(
    "The bytes are not one report: sequence, time, 1 to 255 observations of different feeds, signature.",
  ),
  REPORT_SIGNATURE_INVALID: report("The signature is high-s, or recovers to nobody."),
  REPORT_FEED_SET_FOREIGN: report("The report is for another feed set; sign it for this one."),
  REPORT_KEY_UNKNOWN: report(
    "The key is no publisher's of this policy, or has signed for another feed set.",
  ),
  REPORT_FEED_UNKNOWN: report("The policy has no such feed, or not from this publisher."),
  REPORT_VALUE_OUT_OF_RANGE: report("The value is outside the feed's bounds."),
  REPORT_KEY_SUSPENDED: report(
    "The key has signed two reports for one sequence; it is not heard until the policy changes.",
  ),
  REPORT_CONFLICT: report("The key has signed another report for this sequence; it is suspended."),
  REPORT_REPLAYED: report("The sequence is not above the last one of the key."),
  REPORT_SEQUENCE_TOO_HIGH: report("The sequence is more than 2^32 above the last one of the key."),
  REPORT_STALE: report("The report is older than any of its feeds allows."),
  REPORT_FROM_FUTURE: report(
    "The report's time is more than 250 ms ahead of the sequencer's clock.",
  ),

  // Blocks
  BLOCK_MALFORMED: malformed("The bytes are not one canonically encoded block."),
  FLASHBLOCK_MALFORMED: malformed("The bytes are not one canonically encoded flashblock."),
  RECEIPT_INVALID: row(
    "reset",
    "ignore",
    -32602,
    "The receipt is malformed, or its proof or signature does not hold.",
  ),
  BLOCK_TOO_LARGE: malformed("The block with its LaneData is larger than 900,000 bytes."),
  BLOCK_SIGNATURE_INVALID: row(
    "reset",
    "reject",
    -32000,
    "The block is not signed by the sequencer of its term.",
  ),
  BLOCK_TIME_OUT_OF_RANGE: row(
    "reset",
    "reject",
    -32000,
    "The block is more than 60 s old or more than 5 s in the future.",
  ),
  BLOCK_PARENT_UNKNOWN: row("retry", "ignore", -32000, "The block's parent is not known yet."),
  BLOCK_ALREADY_KNOWN: row(
    "reset",
    "ignore",
    -32000,
    "The block, or another at its height, is already in the chain.",
  ),
  SEQUENCER_EQUIVOCATED: row(
    "reset",
    "ignore",
    -32000,
    "The sequencer signed two different blocks for one position; both are kept as evidence.",
  ),
  BLOCK_RESULT_MISMATCH: row(
    "reset",
    "reject",
    -32000,
    "Executing the block does not give the header it carries.",
  ),
  BLOCK_ORIGIN_INVALID: row(
    "reset",
    "reject",
    -32000,
    "The block breaks a rule of the L1 origin (PROTOCOL 7, O1 to O3).",
  ),
  L1_ORIGIN_UNKNOWN: row(
    "retry",
    "ignore",
    -32000,
    "This node has not seen the block's L1 origin yet.",
  ),
  LANE_VIOLATION: row(
    "reset",
    "reject",
    -32000,
    "The block's order breaks a lane rule; data.violation names it.",
  ),
  VERIFICATION_FAILED: row(
    "fatal",
    "ignore",
    -32603,
    "Two executions of the same block differ, or its order cannot be executed; data says where.",
  ),
  BLOCK_HEIGHT_CROWDED: row(
    "reset",
    "reject",
    -32000,
    "More different signed blocks than one height may have.",
  ),
  SENDER_UNRECOVERABLE: row(
    "reset",
    "reject",
    -32000,
    "A transaction of the block has an invalid signature.",
  ),

  // Batches
  CHAIN_DIVERGED: stops(
    "L1 holds a batch that contradicts this sequencer's chain; another node signs with its key, or its data folder is old.",
  ),
  BATCH_MALFORMED: row("reset", "ignore", -32000, "The batch payload does not decode canonically."),
  BATCH_VOID: row(
    "reset",
    "ignore",
    -32000,
    "The batch breaks a rule of derivation; its index is spent.",
  ),
  BATCH_REMOVED: row(
    "retry",
    "ignore",
    -32000,
    "An L1 reorg took away a batch that is applied here; derivation waits until L1 carries it again.",
  ),
  BLOB_UNAVAILABLE: row(
    "retry",
    "ignore",
    -32000,
    "A blob of the batch cannot be fetched; derivation waits for it.",
  ),
  BLOB_MISMATCH: row(
    "retry",
    "ignore",
    -32000,
    "A blob does not match its versioned hash; derivation waits for the right one.",
  ),
  L1_UNREACHABLE: row("retry", "ignore", -32000, "The L1 endpoint does not answer."),
  L1_WRONG_CHAIN: stops("The L1 endpoint serves another chain than the rollup config names."),
  L1_REORGED: stops(
    "L1 has replaced the origin of the chain's head; this version does not rebuild blocks after an L1 reorg.",
  ),
  L1_TRANSACTION_FAILED: row(
    "retry",
    "ignore",
    -32000,
    "A transaction on L1 reverted or was not included in time.",
  ),

  // Peers
  PEER_FAULT: row(
    "retry",
    "reject",
    -32000,
    "A peer sent what its protocol does not allow, or too much of it.",
  ),
  PEER_LIMIT: row("retry", "ignore", -32005, "The peer asks more often than it may; try later."),

  // Storage
  STORAGE_LOCKED: stops("Another process has the data folder open."),
  STORAGE_CORRUPT: stops(
    "A record's checksum or the chain of hashes does not hold; refill the folder from peers or L1.",
  ),
  STORAGE_FORMAT: stops("The data folder has another chain format than this version reads."),
  STORAGE_OTHER_CHAIN: stops("The data folder belongs to another chain or rollup config."),
  STORAGE_FAILED: stops("Writing to the data folder failed."),
  STORAGE_BUSY: row("retry", "ignore", -32000, "Too many writes wait for the disk; try again."),

  // Start-up
  CONFIG_INVALID: row(
    "fatal",
    "ignore",
    -32602,
    "A setting is missing or invalid; the message names its key.",
  ),
  KEY_INVALID: row(
    "fatal",
    "ignore",
    -32602,
    "A key cannot be read from its keystore or environment variable.",
  ),
  DEVNET_KEY: row(
    "fatal",
    "ignore",
    -32602,
    "A publicly known devnet key is configured on a chain that is not the devnet's.",
  ),
  PORT_BUSY: stops("A port that the node must listen on is taken."),
  JOURNAL_MISSING: stops(
    "The chain's journal is not in its folder: give the right --journal-dir, or move it back.",
  ),
  SIGNER_BEHIND: stops(
    "The chain holds promises or signatures that the journal does not know: it is an old copy.",
  ),
  SIGNER_AHEAD: stops(
    "The signer has signed blocks that the chain does not hold: the chain folder is an old copy.",
  ),
  SIGNATURE_CONFLICT: stops("The signer has already signed something else for this position."),
  POLICY_INVALID: row(
    "fatal",
    "ignore",
    -32602,
    "The policy is invalid; the message names the path.",
  ),
  WORKER_FAILED: row("fatal", "ignore", -32603, "A worker thread stopped unexpectedly."),
  TIMEOUT: row("retry", "ignore", -32000, "The answer did not come in time."),

  // RPC
  PARSE_ERROR: row("reset", "ignore", -32700, "The request is not JSON."),
  REQUEST_INVALID: row("reset", "ignore", -32600, "The request is not a JSON-RPC 2.0 request."),
  REQUEST_TOO_LARGE: row("reset", "ignore", -32600, "The request body or batch is over the limit."),
  METHOD_NOT_FOUND: row("reset", "ignore", -32601, "The method does not exist here."),
  PARAMS_INVALID: row(
    "reset",
    "ignore",
    -32602,
    "A parameter is missing or invalid; the message names it.",
  ),
  BLOCK_NOT_FOUND: row("reset", "ignore", -32001, "There is no such block."),
  TRANSACTION_NOT_FOUND: row("reset", "ignore", -32000, "No block has such a transaction."),
  GENESIS_NOT_TRACEABLE: row("reset", "ignore", -32000, "Genesis executes nothing to be traced."),
  STATE_NOT_AVAILABLE: row(
    "reset",
    "ignore",
    -32001,
    "The state of this block is not kept; data.oldest is the oldest block whose state is.",
  ),
  EXECUTION_REVERTED: row("reset", "ignore", 3, "The call reverted; data holds the revert data."),
  EXECUTION_FAILED: row("reset", "ignore", -32000, "The call failed; data.reason says why."),
  LIMIT_EXCEEDED: row("reset", "ignore", -32005, "The query is over a limit; narrow it."),
  INTERNAL: row("retry", "ignore", -32603, "An internal error; the node's log has the details."),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Small facts about an error; never keys, raw network text or URLs with credentials. */
export type ErrorData = Readonly<Record<string, string | number | boolean>>;

/** An operating error. `message` is the table's sentence and, where given, what was found. */
export class NodeError extends Error {
  readonly code: ErrorCode;
  readonly data: ErrorData;

  constructor(code: ErrorCode, data: ErrorData = {}, cause?: unknown) {
    const found = Object.entries(data)
      .map(([key, value]) => `${key}: ${String(value)}`)
      .join(", ");
    super(
      found === "" ? ERRORS[code].text : `${ERRORS[code].text} (${found})`,
      cause === undefined ? undefined : { cause },
    );
    this.name = "NodeError";
    this.code = code;
    this.data = data;
  }
}

/** Whether a value carries one of the table's codes (also after a structured clone). */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(ERRORS, code);
}

/** What can be said of anything thrown, in a log. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
