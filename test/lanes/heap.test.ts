import * as fc from "fast-check";
import t from "tap";
import { createHeap } from "../../lanes/heap.ts";

interface Item {
  readonly key: number;
  readonly serial: number;
}

const compare = (a: Item, b: Item): number => a.key - b.key || a.serial - b.serial;

type Step = { readonly push: number } | { readonly removeAt: number } | "pop";

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 20 }).map((push) => ({ push })) },
  { weight: 2, arbitrary: fc.nat(1000).map((removeAt) => ({ removeAt })) },
  { weight: 1, arbitrary: fc.constant("pop" as const) },
);

t.test("is a sorted array to its user, whatever is pushed and removed", async (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = createHeap(compare);
      const model: Item[] = [];
      let serial = 0;
      for (const next of steps) {
        if (next === "pop") {
          const top = heap.peek();
          if (top !== undefined && (!heap.remove(top) || model.shift() !== top)) return false;
        } else if ("push" in next) {
          const item = { key: next.push, serial: serial++ };
          heap.push(item);
          model.push(item);
          model.sort(compare);
        } else if (model.length > 0) {
          const [item] = model.splice(next.removeAt % model.length, 1);
          if (item === undefined || !heap.remove(item)) return false;
        }
        if (heap.size !== model.length || heap.peek() !== model[0]) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.pass("500 sequences of up to 200 steps");
});

t.test("a foreign item is not removed, and the same one not pushed twice", async (t) => {
  const heap = createHeap(compare);
  const item = { key: 1, serial: 0 };
  t.equal(heap.peek(), undefined);
  t.equal(heap.remove(item), false);
  heap.push(item);
  t.throws(() => {
    heap.push(item);
  }, /already in the heap/);
  t.equal(heap.remove({ ...item }), false, "identity counts, not content");
  t.equal(heap.remove(item), true);
  t.equal(heap.remove(item), false);
  t.equal(heap.size, 0);
});
