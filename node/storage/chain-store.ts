/**
 * The store of one chain: implements `Store` over LevelDB. One owner, the sequencing thread.
 *
 * Owns what goes into which batch. A batch is atomic and synced; there is no other kind of write.
 * Every call that reads before it writes does so in its turn at the writer, so that calls may
 * overlap. Source: DESIGN 6, PROTOCOL 10.
 */
import assert from "node:assert";
import { bytesEqual, type Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import type { BlockRef } from "../primitives/block.ts";
import { atOnce, inTurns } from "../turns.ts";
import { admissionOperations, removeAdmissions } from "./admissions.ts";
import { blockOperations, removeBlockOperations, signatureOperation } from "./block-records.ts";
import { createLiveReads, readBlock, readOldestState } from "./chain-reads.ts";
import {
  decodeCursor,
  decodeHeads,
  decodeIdentity,
  encodeCursor,
  encodeHeads,
  encodeIdentity,
  encodeNumbers,
} from "./codecs.ts";
import { type Database, openDatabase, type Operation } from "./database.ts";
import { equivocationOperations, readEquivocations } from "./equivocations.ts";
import { FieldReader } from "./fields.ts";
import { encodePosition, isAtOrPast } from "./journal.ts";
import { type JournalStore, openJournalStore, type OpenJournalStore } from "./journal-store.ts";
import { blockKey, encodeU64, META } from "./keys.ts";
import { readMany } from "./read-many.ts";
import { checkChain } from "./scan.ts";
import { decodeTombstones, encodeTombstones, stateChanges } from "./state-changes.ts";
import type { BlockCommit, DerivationCursor, Heads, Store, StoredBlock } from "./store.ts";
import { removeUndoOperations, restoreOperations, undoOperations } from "./undo.ts";
import { decodeVersioned } from "./versions.ts";
import { createWriter, type Writer } from "./writer.ts";

/** Blocks whose reverse diff is kept: DESIGN 6, history. */
const UNDO_BLOCKS = 8192;
/** Reverse diffs deleted with a block, at most: more than one while the history is too long. */
const PRUNED_A_BLOCK = 2;
/** Microseconds to look at a tombstone. */
const REMOVAL_COST = 1;

export interface StoreOptions {
  /** The node's data folder; the database is in a folder of its own inside. */
  readonly dataDir: string;
  /** Folder of the journal's database. @default the data folder */
  readonly journalDir?: string;
  /** Blocks that can be rolled back, and whose parents' state can be read. @default 8192 */
  readonly undoBlocks?: number;
}

/**
 * Opens the store of a data folder and checks it; an empty one waits for `initialize`.
 *
 * Errors: `STORAGE_LOCKED`, `STORAGE_CORRUPT`, `STORAGE_FORMAT`, `STORAGE_FAILED`,
 * `STORAGE_OTHER_CHAIN`, `JOURNAL_MISSING`, `SIGNER_BEHIND`.
 */
export async function createStore(options: StoreOptions): Promise<Store> {
  const { dataDir, journalDir = dataDir, undoBlocks = UNDO_BLOCKS } = options;
  const database = await openDatabase(dataDir);
  let journal: OpenJournalStore | null = null;
  try {
    if (database.get(META.chain) !== null) checkChain(database);
    journal = await openJournalStore(journalDir);
    checkJournal(database, journal.database);
    // The last block may be durable while what it settles was not settled yet.
    await journal.methods.settleJournal(readSettling(database));
    const writer = createWriter((operations) => database.write(operations));
    return assembleStore({ database, writer, journal, undoBlocks });
  } catch (error) {
    await journal?.close();
    await database.close();
    throw error;
  }
}

/**
 * The two databases of a store belong together and are of one time. An empty chain folder is filled
 * anew: `initialize` compares the names then, and a sequencer's signer looks at its marks.
 *
 * A copy of the journal made after the head was written passes: what came later is not known here.
 */
function checkJournal(database: Database, journal: Database): void {
  const chain = database.get(META.chain);
  if (chain === null) return;
  const found = journal.get(META.chain);
  if (found === null) throw new NodeError("JOURNAL_MISSING", { folder: "journal" });
  if (!bytesEqual(chain, found)) throw new NodeError("STORAGE_OTHER_CHAIN", { folder: "journal" });
  const position = database.get(META.journalPosition);
  if (position !== null && !isAtOrPast(journal, position))
    throw new NodeError("SIGNER_BEHIND", { folder: "journal" });
}

function readSettling(database: Database): bigint[] {
  const payload = database.get(META.settling);
  if (payload === null) return [];
  const read = FieldReader.of(payload, "settling");
  const numbers: bigint[] = [];
  while (read.left > 0) numbers.push(read.bigint());
  return numbers;
}

interface StoreParts {
  readonly database: Database;
  readonly writer: Writer;
  readonly journal: OpenJournalStore;
  readonly undoBlocks: number;
}

function assembleStore(parts: StoreParts): Store {
  const { database, writer, journal } = parts;
  /** The settling of the head's journal records; the next block's list takes its place. */
  let settling: Promise<void> = Promise.resolve();
  return {
    ...createLiveReads(database),
    ...journalMethods(journal.methods, () => settling),
    initialize: (commit, rollupConfigHash) => initialize(parts, commit, rollupConfigHash),
    isEmpty: () => database.get(META.chain) === null,
    async commitBlock(commit) {
      await settling;
      await writer.write(() => commitOperations(parts, commit));
      settling = journal.methods.settleJournal(commit.settled);
      // Whoever comes next gets the failure; nobody waits for it now.
      settling.catch(() => undefined);
    },
    saveSignature: (number, signature) =>
      writer.write(() => [signatureOperation(database, number, signature)]),
    rollback: (number, cursor) => rollback(parts, number, cursor),
    saveHeads: (heads, cursor) => writer.write(() => headOperations(heads, cursor)),
    cursor() {
      const payload = database.get(META.cursor);
      return payload === null ? null : decodeCursor(payload);
    },
    async saveEquivocation(record) {
      let isKept = false;
      await writer.write(() => {
        const operations = equivocationOperations(database, record);
        isKept = operations.length > 0;
        return operations;
      });
      return isKept;
    },
    equivocations: () => readEquivocations(database),
    async close() {
      await writer.drain();
      await settling.catch(() => undefined);
      await journal.close();
      await database.close();
    },
  };
}

/** The journal as the store's user sees it: without what a block in the chain has settled. */
function journalMethods(
  journal: OpenJournalStore["methods"],
  settling: () => Promise<void>,
): JournalStore {
  return {
    ...journal,
    async loadJournal() {
      await settling();
      return journal.loadJournal();
    },
  };
}

function requireBlock(database: Database, number: number): StoredBlock {
  const stored = readBlock(database, number);
  if (stored === null) throw new NodeError("BLOCK_NOT_FOUND", { number });
  return stored;
}

function headsOf(database: Database): Heads {
  const payload = database.get(META.heads);
  assert(payload !== null, "the store is initialized");
  return decodeHeads(payload);
}

function headOperations(heads: Heads, cursor: DerivationCursor | undefined): Operation[] {
  const operations: Operation[] = [{ key: META.heads, payload: encodeHeads(heads) }];
  if (cursor !== undefined) operations.push({ key: META.cursor, payload: encodeCursor(cursor) });
  return operations;
}

async function initialize(
  parts: StoreParts,
  commit: BlockCommit,
  rollupConfigHash: Hex,
): Promise<void> {
  const { database, writer, journal } = parts;
  const genesisHash = commit.stored.block.hash;
  const payload = database.get(META.chain);
  if (payload !== null) {
    const found = decodeIdentity(payload);
    if (found.rollupConfigHash !== rollupConfigHash)
      throw new NodeError("STORAGE_OTHER_CHAIN", {
        found: found.rollupConfigHash,
        expected: rollupConfigHash,
      });
    if (found.genesisHash !== genesisHash)
      throw new NodeError("STORAGE_OTHER_CHAIN", {
        foundGenesis: found.genesisHash,
        expectedGenesis: genesisHash,
      });
    return;
  }
  const identity = { key: META.chain, payload: encodeIdentity({ rollupConfigHash, genesisHash }) };
  const found = journal.database.get(META.chain);
  if (found !== null && !bytesEqual(found, identity.payload))
    throw new NodeError("STORAGE_OTHER_CHAIN", { folder: "journal" });
  // First, so that a chain never stands beside a journal that has no name.
  await journal.write([identity]);
  await writer.write(async () => [...(await commitOperations(parts, commit)), identity]);
}

async function commitOperations(parts: StoreParts, commit: BlockCommit): Promise<Operation[]> {
  const { database, journal } = parts;
  const { stored, receipts, settled, heads, cursor } = commit;
  const { hash, header } = stored.block;
  const { number } = header;
  assertExtends(database, stored);
  assert(heads.unsafe.number === number && heads.unsafe.hash === hash, "the new head");
  const history = nextHistory(parts, number);
  const state = await stateChanges(database, { number, oldest: history.oldest }, commit);
  const settling = { key: META.settling, payload: encodeNumbers(settled) };
  // Never taken back: it says what this folder has seen.
  const position = { key: META.journalPosition, payload: encodePosition(journal.database) };
  const changes = [...state.changes, { ...settling, before: database.get(META.settling) }];
  const tombstones = await inTurns(encodeTombstones(state.tombstones));
  return [
    // First: what this block writes over a tombstone stays.
    ...(await pruneOperations(database, history)),
    ...(await inTurns(blockOperations(stored, receipts))),
    ...(await inTurns(admissionOperations(number, commit.admissions))),
    ...changes,
    // Nothing stood before genesis, and nothing takes it back.
    ...(number === 0 ? [] : await inTurns(undoOperations(number, changes))),
    ...(tombstones.length > 0
      ? [{ key: blockKey("TOMBSTONES", number), payload: tombstones }]
      : []),
    position,
    ...headOperations(heads, cursor),
  ];
}

/** The oldest block whose state can be read, now and with `number` as the head. */
interface HistoryChange {
  readonly from: number;
  readonly oldest: number;
}

function nextHistory({ database, undoBlocks }: StoreParts, number: number): HistoryChange {
  if (number === 0) return { from: 0, oldest: 0 };
  const from = readOldestState(database);
  return { from, oldest: Math.min(Math.max(from, number - undoBlocks), from + PRUNED_A_BLOCK) };
}

/** Takes what leads to older states than the oldest out of the database. */
async function pruneOperations(database: Database, history: HistoryChange): Promise<Operation[]> {
  const { from, oldest } = history;
  const operations: Operation[] = [{ key: META.oldestState, payload: encodeU64(oldest) }];
  for (let block = from + 1; block <= oldest; block++) {
    for (const removed of await inTurns(removeUndoOperations(database, block)))
      operations.push(removed);
    for (const removed of await removeTombstones(database, block)) operations.push(removed);
    for (const removed of await inTurns(removeAdmissions(database, block)))
      operations.push(removed);
  }
  return operations;
}

/** Deletes what `block` deleted for good: no state that is kept has it any more. */
async function removeTombstones(database: Database, block: number): Promise<Operation[]> {
  const payload = database.get(blockKey("TOMBSTONES", block));
  if (payload === null) return [];
  const removed: Operation[] = [{ key: blockKey("TOMBSTONES", block), payload: null }];
  await readMany(database, await inTurns(decodeTombstones(payload)), {
    cost: REMOVAL_COST,
    keyOf: (key) => key,
    take(key, record) {
      if (record === null) return;
      const { version, value } = decodeVersioned(record);
      // Written again meanwhile, or deleted again by a later block, which has its own turn.
      if (value === null && version.since === block) removed.push({ key, payload: null });
    },
  });
  return removed;
}

/** The block stands on the head; its reverse diff would be wrong anywhere else. */
function assertExtends(database: Database, stored: StoredBlock): void {
  const { header } = stored.block;
  if (header.number === 0) {
    assert(database.get(META.heads) === null, "genesis is the first block");
    return;
  }
  const { unsafe } = headsOf(database);
  assert(header.number === unsafe.number + 1, "the block follows the head");
  assert(header.parentHash === unsafe.hash, "the block's parent is the head");
}

async function rollback(
  parts: StoreParts,
  number: number,
  cursor: DerivationCursor | undefined,
): Promise<readonly StoredBlock[]> {
  assert(number >= 0, "genesis stays");
  const { database, writer } = parts;
  const top = headsOf(database).unsafe.number;
  const oldest = readOldestState(database);
  if (number < oldest) throw new NodeError("STATE_NOT_AVAILABLE", { block: number, oldest });
  const removed: StoredBlock[] = [];
  for (let at = top; at > number; at--)
    await writer.write(() => {
      const stored = requireBlock(database, at);
      removed.unshift(stored);
      return rollbackOperations(parts, stored, at === top ? cursor : undefined);
    });
  return removed;
}

function rollbackOperations(
  { database }: StoreParts,
  stored: StoredBlock,
  cursor: DerivationCursor | undefined,
): Operation[] {
  const { number, parentHash } = stored.block.header;
  const restored = restoreOperations(database, number);
  const heads = headsOf(database);
  assert(heads.unsafe.hash === stored.block.hash, "only the head is taken back");
  const parent: BlockRef = { number: number - 1, hash: parentHash };
  const lowered = (head: BlockRef): BlockRef => (head.number < number ? head : parent);
  return [
    ...removeBlockOperations(stored.block),
    ...atOnce(removeAdmissions(database, number)),
    ...atOnce(removeUndoOperations(database, number)),
    { key: blockKey("TOMBSTONES", number), payload: null },
    ...restored,
    ...headOperations(
      { unsafe: parent, safe: lowered(heads.safe), finalized: lowered(heads.finalized) },
      cursor,
    ),
  ];
}
