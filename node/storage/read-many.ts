/**
 * Reading many records off the thread: a few at a time, and the next ones on their way while those
 * that have arrived are worked on.
 */
import { inTurns, type Steps } from "../turns.ts";
import type { Database } from "./database.ts";

/** Records that arrive together: in one piece, which no turn can break up. */
const RECORDS_A_READ = 256;
/** Microseconds for a record to arrive. */
const ARRIVAL_COST = 0.5;

/** What to do with a record, or where there is none, and the microseconds it takes. */
interface RecordWork<T> {
  readonly cost: number;
  keyOf(item: T): Uint8Array;
  take(item: T, payload: Uint8Array | null): void;
}

/** Reads the record of each item, in order. Errors: `STORAGE_CORRUPT`, `STORAGE_FAILED`. */
export async function readMany<T>(
  database: Pick<Database, "getMany">,
  items: readonly T[],
  work: RecordWork<T>,
): Promise<void> {
  const readFrom = (from: number) => {
    const some = items.slice(from, from + RECORDS_A_READ);
    const payloads =
      some.length === 0 ? null : database.getMany(some.map((item) => work.keyOf(item)));
    // Whoever awaits it gets the error; when an earlier one has failed, nobody does.
    payloads?.catch(() => undefined);
    return { some, payloads };
  };
  let next = readFrom(0);
  for (let from = RECORDS_A_READ; next.payloads !== null; from += RECORDS_A_READ) {
    const { some, payloads } = next;
    next = readFrom(from);
    await inTurns(takeAll(some, await payloads, work));
  }
}

function* takeAll<T>(
  items: readonly T[],
  payloads: readonly (Uint8Array | null)[],
  work: RecordWork<T>,
): Steps<void> {
  for (const [i, item] of items.entries()) {
    work.take(item, payloads[i] ?? null);
    yield ARRIVAL_COST + work.cost;
  }
}
