/**
 * The lane order of a block as JSON (`lane_block`), checked by whoever has nothing else: that its
 * flashblocks chain, that the sequencer signed each of them and the block, and that the order keeps
 * the rules that can be checked without the transactions themselves.
 *
 * Not checked here, because it needs them: that ranks are what `classify` says (I3), class caps over
 * deposits (I4), nonces. Followers check all of it (`verify.ts`). PROTOCOL 4.
 */
import { fromHex, type Hex, isHexOf } from "./bytes.ts";
import { NORMAL_RANK, SYSTEM_RANK } from "./classify.ts";
import { FlashblockLeaves } from "./flashblock-leaves.ts";
import { placeFault } from "./inclusion.ts";
import {
  type Field,
  FieldError,
  readArray,
  readHex,
  readInteger,
  readObject,
} from "./json-fields.ts";
import {
  CONFLICTS_MAX,
  type LaneData,
  laneDataHash,
  type LaneEpoch,
  type LaneFlashblock,
  type LaneReport,
  REPORTS_MAX,
} from "./lane-data.ts";
import { orderOfRank } from "./order.ts";
import { findOvertaken } from "./overtaking.ts";
import type { Policy } from "./policy.ts";
import { readNumber, readWide, U64_DIGITS, U72_DIGITS } from "./quantity.ts";
import { broken, type ReceiptTrust, type ReceiptVerdict } from "./receipt-trust.ts";
import { blockDigest, flashblockDigest } from "./signed.ts";
import {
  type ExecutedFlashblock,
  flashblockOrderHash,
  flashblockResultHash,
  SIGNATURE_BYTES,
} from "./signed-flashblock.ts";
import { accept, refuse } from "./verdict.ts";

const FLASHBLOCKS_MAX = 1024;
const TRANSACTIONS_MAX = 65_536;
const HASH_BYTES = 32;

interface BlockTransaction {
  readonly hash: Hex;
  readonly rank: number;
  readonly rule: number;
  readonly accepted: bigint;
  readonly ready: bigint;
  readonly gasLimit: bigint;
  readonly status: number;
  readonly gasUsed: bigint;
}

interface BlockFlashblock extends LaneFlashblock {
  readonly parentOrderHash: Hex;
  readonly orderHash: Hex;
  readonly signature: Uint8Array | null;
}

interface LaneBlockJson {
  readonly term: number;
  readonly lastForced: number;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly timestamp: number;
  readonly l1OriginNumber: number;
  readonly l1OriginHash: Hex;
  readonly policyHash: Hex;
  readonly laneDataHash: Hex;
  readonly signature: Uint8Array | null;
  readonly flashblocks: readonly BlockFlashblock[];
  readonly transactions: readonly BlockTransaction[];
}

/** What was found of a block that holds. */
export interface CheckedBlock {
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly flashblocks: number;
  readonly transactions: number;
}

/**
 * Whether a `lane_block` answer is the order that the sequencer signed. Errors: verdict
 * `RECEIPT_INVALID` with `path` for its form, or with the `part` that does not hold.
 */
export function checkBlockJson(json: unknown, trust: ReceiptTrust): ReceiptVerdict<CheckedBlock> {
  let block: LaneBlockJson;
  try {
    block = readBlock({ path: "", value: json });
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return refuse("RECEIPT_INVALID", { path: error.path, expected: error.expected });
  }
  const wrong =
    checkHashes(block, trust) ?? checkFlashblocks(block, trust) ?? checkRules(block, trust.policy);
  if (wrong !== null) return broken(wrong);
  if (!isBlockSigned(block, trust)) return broken("signature");
  const { blockNumber, blockHash, flashblocks, transactions } = block;
  const counts = { flashblocks: flashblocks.length, transactions: transactions.length };
  return accept({ blockNumber, blockHash, ...counts });
}

function checkHashes(block: LaneBlockJson, { term, policy }: ReceiptTrust): string | null {
  if (block.term !== term) return "term";
  if (block.policyHash !== policy.hash) return "policyHash";
  return laneDataHash(laneDataOf(block)) === block.laneDataHash ? null : "laneDataHash";
}

function laneDataOf({ policyHash, flashblocks, transactions }: LaneBlockJson): LaneData {
  return {
    policyHash,
    flashblocks,
    numbers: transactions.filter(({ rank }) => rank !== SYSTEM_RANK),
  };
}

/** Each one follows the one before, and is signed. */
function checkFlashblocks(block: LaneBlockJson, trust: ReceiptTrust): string | null {
  let from = 0;
  for (const [index, flashblock] of block.flashblocks.entries()) {
    const where = `flashblocks[${index}]`;
    const before = block.flashblocks[index - 1]?.orderHash;
    if (before !== undefined && before !== flashblock.parentOrderHash)
      return `${where}.parentOrderHash`;
    const own = block.transactions.slice(from, from + flashblock.txCount);
    from += flashblock.txCount;
    const executed = executedOf(block, index, flashblock, own, trust);
    const orderHash = flashblockOrderHash(executed);
    if (orderHash !== flashblock.orderHash) return `${where}.orderHash`;
    const digest = flashblockDigest(trust.domain, {
      orderHash,
      resultHash: flashblockResultHash(executed),
    });
    const { signature } = flashblock;
    if (signature === null || trust.recover(digest, signature) !== trust.sequencer)
      return `${where}.signature`;
  }
  return from === block.transactions.length ? null : "transactions";
}

function executedOf(
  block: LaneBlockJson,
  index: number,
  { timestampMs, leaderEpoch, parentOrderHash, txCount }: BlockFlashblock,
  transactions: readonly BlockTransaction[],
  { domain }: ReceiptTrust,
): ExecutedFlashblock {
  const leaves = new FlashblockLeaves();
  for (const { hash: txHash, status, gasUsed, ...lane } of transactions)
    leaves.add({ txHash, ...lane }, { txHash, status, gasUsed });
  const { term, lastForced, blockNumber, timestamp, policyHash } = block;
  const { l1OriginNumber, l1OriginHash } = block;
  const header = {
    ...{ chainId: domain.chainId, term, leaderEpoch, lastForced, blockNumber, index },
    ...{ parentOrderHash, l1OriginNumber, l1OriginHash, timestamp, policyHash, txCount },
    ...{ laneRoot: leaves.laneRoot(), timestampMs },
  };
  const resultRoot = leaves.resultRoot();
  return { header, resultRoot, gasUsed: leaves.gasUsed, leaves: leaves.bytes() };
}

/** I1, admission numbers, order inside classes, and I2 within the block. */
function checkRules(block: LaneBlockJson, policy: Policy): string | null {
  const seen = new Set<bigint>();
  let at = 0;
  for (const { txCount } of block.flashblocks) {
    let before: BlockTransaction | null = null;
    for (const item of block.transactions.slice(at, at + txCount)) {
      const where = `transactions[${at++}]`;
      if (before !== null && item.rank < before.rank) return `${where}.rank`;
      const wrong = placeFault(item, policy);
      if (wrong !== null) return `${where}.${wrong}`;
      const isSystem = item.rank === SYSTEM_RANK;
      if (!isSystem && seen.has(item.ready)) return `${where}.ready`;
      const byReady = !isSystem && orderOfRank(policy, item.rank) === "ready";
      if (byReady && before?.rank === item.rank && item.ready <= before.ready)
        return `${where}.ready`;
      if (!isSystem) seen.add(item.ready);
      before = item;
    }
  }
  const overtaken = findOvertaken(block.transactions, [], policy.document.ttlBlocks);
  return overtaken === null ? null : `transactions[${overtaken.index}]`;
}

function isBlockSigned(block: LaneBlockJson, trust: ReceiptTrust): boolean {
  const { blockNumber: number, blockHash, signature, term, lastForced } = block;
  const { l1OriginNumber, l1OriginHash } = block;
  const leaderEpoch = block.flashblocks.at(-1)?.leaderEpoch ?? 0;
  const digest = blockDigest(trust.domain, {
    ...{ number, blockHash, laneDataHash: block.laneDataHash, term, leaderEpoch, lastForced },
    ...{ l1OriginNumber, l1OriginHash },
  });
  return signature !== null && trust.recover(digest, signature) === trust.sequencer;
}

function readBlock(field: Field): LaneBlockJson {
  const root = readObject(field, [
    ...(["term", "lastForced", "blockNumber", "blockHash", "timestamp", "l1OriginNumber"] as const),
    ...(["l1OriginHash", "policyHash", "laneDataHash", "signature"] as const),
    ...(["flashblocks", "transactions"] as const),
  ]);
  return {
    term: readNumber(root.term),
    lastForced: readNumber(root.lastForced),
    blockNumber: readNumber(root.blockNumber),
    blockHash: readHex(root.blockHash, HASH_BYTES),
    timestamp: readNumber(root.timestamp),
    l1OriginNumber: readNumber(root.l1OriginNumber),
    l1OriginHash: readHex(root.l1OriginHash, HASH_BYTES),
    policyHash: readHex(root.policyHash, HASH_BYTES),
    laneDataHash: readHex(root.laneDataHash, HASH_BYTES),
    signature: readSignature(root.signature),
    flashblocks: readArray(root.flashblocks, [1, FLASHBLOCKS_MAX], readFlashblock),
    transactions: readArray(root.transactions, [1, TRANSACTIONS_MAX], readTransaction),
  };
}

function readFlashblock(field: Field): BlockFlashblock {
  const root = readObject(field, [
    ...(["txCount", "timestampMs", "leaderEpoch", "conflicts", "epoch"] as const),
    ...(["parentOrderHash", "orderHash", "signature"] as const),
  ]);
  return {
    txCount: readInteger(root.txCount, 0),
    timestampMs: readInteger(root.timestampMs, 0),
    leaderEpoch: readInteger(root.leaderEpoch, 0),
    conflicts: readArray(root.conflicts, [0, CONFLICTS_MAX], readConflict),
    epoch: root.epoch.value === null ? null : readEpoch(root.epoch),
    parentOrderHash: readHex(root.parentOrderHash, HASH_BYTES),
    orderHash: readHex(root.orderHash, HASH_BYTES),
    signature: readSignature(root.signature),
  };
}

function readConflict(field: Field): readonly [LaneReport, LaneReport] {
  const [one, other] = readArray(field, [2, 2], readReport);
  if (one === undefined || other === undefined) throw new FieldError(field.path, "two reports");
  return [one, other];
}

function readEpoch(field: Field): LaneEpoch {
  const { cut, reports } = readObject(field, ["cut", "reports"]);
  return {
    cut: readWide(cut, U72_DIGITS),
    reports: readArray(reports, [0, REPORTS_MAX], readReport),
  };
}

function readReport(field: Field): LaneReport {
  const { source, bytes } = readObject(field, ["source", "bytes"]);
  return { source: readInteger(source, 0, 255), bytes: readBytes(bytes) };
}

function readBytes({ path, value }: Field): Uint8Array {
  const bytes = typeof value === "string" ? (value.length - 2) / 2 : -1;
  if (!Number.isSafeInteger(bytes) || !isHexOf(value, bytes))
    throw new FieldError(path, "0x and whole bytes of hex");
  return fromHex(value);
}

function readTransaction(field: Field): BlockTransaction {
  const root = readObject(
    field,
    ["hash", "rank", "rule", "accepted", "ready", "gasLimit", "status", "gasUsed"],
    ["class"],
  );
  return {
    hash: readHex(root.hash, HASH_BYTES),
    rank: readInteger(root.rank, SYSTEM_RANK, NORMAL_RANK),
    rule: readInteger(root.rule, 0, 65_535),
    accepted: readWide(root.accepted, U72_DIGITS),
    ready: readWide(root.ready, U72_DIGITS),
    gasLimit: readWide(root.gasLimit, U64_DIGITS),
    status: readInteger(root.status, 0, 1),
    gasUsed: readWide(root.gasUsed, U64_DIGITS),
  };
}

function readSignature(field: Field): Uint8Array | null {
  return field.value === null ? null : fromHex(readHex(field, SIGNATURE_BYTES));
}
