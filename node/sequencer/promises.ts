/**
 * The one way a promise leaves the sequencer: durable first, then signed, then told (I7).
 *
 * Transactions taken in, flashblocks executed and transactions dropped are written to the journal
 * in groups: what arrives while one group is on its way to the disk makes up the next. Each group's
 * transactions are one admission group, signed once (PROTOCOL 3). Owns the grouping and the chain
 * of groups. Does not own numbers (`admission.ts`), marks (`signer.ts`), batches (`storage/`).
 * Invariant: promises become durable in the order of the calls, and none after one that failed, so
 * that one may stand on another that is still on its way.
 *
 * Bounded: by the txpool, whose transactions wait here at most once, by the flashblocks of two
 * blocks, and by the journal's own limit on what waits.
 */
import { type AdmissionLeaf, admissionLeafHash } from "../../lanes/admission.ts";
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import type { AdmissionGroup } from "../../lanes/signed.ts";
import type { ExecutedFlashblock } from "../../lanes/signed-flashblock.ts";
import { rootOfLeafHashes } from "../../lanes/tree.ts";
import type { AdmissionProof } from "../api.ts";
import { NodeError } from "../errors.ts";
import type { JournalRecord } from "../storage/store.ts";
import type { Signer } from "./signer.ts";

const HASH_BYTES = 32;
/** Promises in one group; more are left to the next. */
const GROUP_MAX = 4096;
/** Bytes of a group's records, where it has more than one: whoever comes next waits for it. */
const GROUP_BYTES_MAX = 1024 * 1024;

export interface PromiseLog {
  /** A transaction taken in; resolves with the group it was signed in. */
  admit(leaf: AdmissionLeaf, record: JournalRecord): Promise<AdmissionProof>;
  /** Its signature. `record` is `null` where the journal holds the flashblock already. */
  flashblock(flashblock: ExecutedFlashblock, record: JournalRecord | null): Promise<Uint8Array>;
  /** Resolves when durable: nothing is signed for it. */
  note(record: JournalRecord): Promise<void>;
}

interface Waiting {
  readonly record: JournalRecord | null;
  readonly leaf: AdmissionLeaf | null;
  readonly flashblock: ExecutedFlashblock | null;
  resolve(signed: Signed): void;
  reject(error: unknown): void;
}

interface Signed {
  readonly admission: AdmissionProof | null;
  readonly signature: Uint8Array | null;
}

export interface PromiseLogOptions {
  readonly term: number;
  readonly leaderEpoch: number;
  /** Unix milliseconds. */
  nowMs(): number;
}

export function createPromiseLog(
  signer: Pick<Signer, "signPromises">,
  options: PromiseLogOptions,
): PromiseLog {
  const { term, leaderEpoch } = options;
  let waiting: Waiting[] = [];
  let running = false;
  let failure: Error | null = null;
  /** Root of the group before; the first of a leader epoch stands on none. */
  let previousRoot: Hex = ZERO_HASH;

  const groupOf = (leaves: readonly AdmissionLeaf[], hashes: readonly Uint8Array[]) => {
    const [first] = leaves;
    if (first === undefined) return null;
    const root = rootOfLeafHashes(hashes);
    const group: AdmissionGroup = {
      term,
      leaderEpoch,
      firstAccepted: first.accepted,
      count: leaves.length,
      root,
      previousRoot,
      issuedAtMs: options.nowMs(),
    };
    previousRoot = root;
    return group;
  };

  const commit = async (items: readonly Waiting[]): Promise<void> => {
    const leaves = items.flatMap(({ leaf }) => leaf ?? []);
    const hashes = leaves.map((leaf, index) => admissionLeafHash(leaf, index));
    const group = groupOf(leaves, hashes);
    const signatures = await signer.signPromises({
      records: items.flatMap(({ record }) => record ?? []),
      group,
      flashblocks: items.flatMap(({ flashblock }) => flashblock ?? []),
    });
    const leafHashes = sharedHashes(hashes);
    let index = 0;
    let at = 0;
    for (const item of items) {
      const { leaf, flashblock } = item;
      const signature = signatures.group;
      const isAdmission = leaf !== null && group !== null && signature !== null;
      item.resolve({
        admission: isAdmission ? { group, signature, leafHashes, index: index++, leaf } : null,
        signature: flashblock === null ? null : (signatures.flashblocks[at++] ?? null),
      });
    }
  };

  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      const items = waiting.splice(0, groupSize(waiting));
      try {
        await commit(items);
      } catch (error) {
        // Nothing is promised after a failure: what was durable and what was not is unknown, and
        // what comes later may stand on it.
        failure = error instanceof Error ? error : new Error(String(error));
        const failed = [...items, ...waiting];
        waiting = [];
        for (const item of failed) item.reject(error);
      }
    }
    running = false;
  };

  const enqueue = (item: Pick<Waiting, "record" | "leaf" | "flashblock">): Promise<Signed> =>
    new Promise((resolve, reject) => {
      if (failure !== null) {
        reject(failure);
        return;
      }
      waiting.push({ ...item, resolve, reject });
      if (running) return;
      running = true;
      void run();
    });

  return {
    async admit(leaf, record) {
      const { admission } = await enqueue({ record, leaf, flashblock: null });
      if (admission === null) throw new NodeError("INTERNAL", { promise: "admission" });
      return admission;
    },
    async flashblock(flashblock, record) {
      const { signature } = await enqueue({ record, leaf: null, flashblock });
      if (signature === null) throw new NodeError("INTERNAL", { promise: "flashblock" });
      return signature;
    },
    async note(record) {
      await enqueue({ record, leaf: null, flashblock: null });
    },
  };
}

/** How many of the oldest make up the next group. */
function groupSize(waiting: readonly Waiting[]): number {
  let bytes = 0;
  for (const [at, { record }] of waiting.entries()) {
    bytes += record?.bytes.length ?? 0;
    if (at === GROUP_MAX || (at > 0 && bytes > GROUP_BYTES_MAX)) return at;
  }
  return waiting.length;
}

/** One after another, in memory that threads share: a proof goes to another thread uncopied. */
function sharedHashes(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(hashes.length * HASH_BYTES));
  for (const [index, hash] of hashes.entries()) bytes.set(hash, index * HASH_BYTES);
  return bytes;
}
