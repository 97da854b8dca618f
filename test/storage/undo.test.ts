import fc from "fast-check";
import t from "tap";
import { toHex } from "../../lanes/bytes.ts";
import type { Operation, RecordView } from "../../node/storage/database.ts";
import { undoPageKey } from "../../node/storage/keys.ts";
import {
  type Change,
  findUndo,
  removeUndoOperations,
  restoreOperations,
  undoOperations,
} from "../../node/storage/undo.ts";
import { atOnce, COST_A_TURN, inTurns } from "../../node/turns.ts";
import { watchTurns } from "../fixtures/turn-watch.ts";
import { createRandom } from "./fixtures/chain.ts";

function viewOf(operations: readonly Operation[]): RecordView & { readonly sizes: number[] } {
  const records = new Map(operations.map(({ key, payload }) => [toHex(key), payload]));
  return {
    get: (key) => records.get(toHex(key)) ?? null,
    sizes: operations.map(({ payload }) => payload?.length ?? 0),
  };
}

/** Different keys, with payloads of up to 300 bytes or none. */
function makeChanges(seed: number, count: number): Change[] {
  const random = createRandom(seed);
  const bytes = (length: number) => Uint8Array.from({ length }, () => random(256));
  return Array.from({ length: count }, (_, i) => ({
    key: Uint8Array.of(...bytes(random(50)), i >> 8, i),
    before: random(5) === 0 ? null : bytes(random(300)),
    payload: null,
  }));
}

t.test("every entry is found by its key, and all are restored", async (t) => {
  let pages = 0;
  fc.assert(
    fc.property(fc.nat(), fc.nat(600), fc.nat(2 ** 40), (seed, count, number) => {
      const changes = makeChanges(seed, count);
      const view = viewOf(atOnce(undoOperations(number, changes)));
      pages = Math.max(pages, view.sizes.length - 1);
      for (const { key, before } of changes)
        t.strictSame(findUndo(view, number, key)?.payload, before, "as it stood");
      const absent = Uint8Array.of(255, ...new Uint8Array(70));
      t.equal(findUndo(view, number, absent), null);
      const entries = (list: readonly { key: Uint8Array; payload: Uint8Array | null }[]) =>
        list.map(({ key, payload }) => `${toHex(key)} ${payload && toHex(payload)}`).sort();
      t.strictSame(
        entries(restoreOperations(view, number)),
        entries(changes.map(({ key, before }) => ({ key, payload: before }))),
      );
      const removed = atOnce(removeUndoOperations(view, number));
      t.equal(removed.length, view.sizes.length);
      t.ok(removed.every(({ key, payload }) => payload === null && view.get(key) !== null));
    }),
    { numRuns: 30 },
  );
  t.ok(pages > 4, `${pages} pages`);
});

t.test("a page holds some 8 KiB, however large the block", async (t) => {
  const changes = Array.from({ length: 20_000 }, (_, i) => ({
    key: Uint8Array.of(8, ...new Uint8Array(16), i >> 16, i >> 8, i),
    before: new Uint8Array(100),
    payload: null,
  }));
  const { sizes } = viewOf(atOnce(undoOperations(7, changes)));
  t.ok(sizes.length > 256);
  t.ok(Math.max(...sizes) < 2 * 8192, `${Math.max(...sizes)} bytes`);
});

t.test("a large reverse diff is made in turns", async (t) => {
  const watch = watchTurns();
  const changes = watch.counted("changes", makeChanges(3, 20_000));
  const most = await watch.during(() => inTurns(undoOperations(7, changes)));
  // Looking at its size costs least: a tenth of a microsecond.
  t.ok((most["changes"] ?? 0) <= 10 * COST_A_TURN, `${most["changes"]} between two turns`);
});

t.test("a missing page is damage", async (t) => {
  const changes = Array.from({ length: 500 }, (_, i) => ({
    key: Uint8Array.of(8, i >> 8, i),
    before: new Uint8Array(100),
    payload: null,
  }));
  const operations = atOnce(undoOperations(7, changes));
  const lost = toHex(undoPageKey(7, 1));
  const view = viewOf(operations.filter(({ key }) => toHex(key) !== lost));
  const corrupt = { code: "STORAGE_CORRUPT" };
  t.throws(() => restoreOperations(view, 7), corrupt);
  t.throws(() => changes.map(({ key }) => findUndo(view, 7, key)), corrupt);
  t.throws(() => findUndo(viewOf([]), 7, Uint8Array.of(1)), corrupt);
  t.throws(() => atOnce(removeUndoOperations(viewOf([]), 7)), corrupt);
  const cut = operations.map(({ key, payload }) => ({ key, payload: payload!.slice(0, 100) }));
  t.throws(() => restoreOperations(viewOf(cut), 7), corrupt);
});
