import * as fc from "fast-check";
import t from "tap";
import { ConflatingQueue } from "../../lanes/queue.ts";

interface Value {
  readonly price: number;
  readonly serial: number;
}

let comparisons = 0;
const compare = (a: Value, b: Value): number => {
  comparisons++;
  return a.price - b.price || a.serial - b.serial;
};

type Step =
  | { readonly offer: string; readonly price: number; readonly ttl: number }
  | { readonly remove: string }
  | { readonly expire: number }
  | "take";

const SIZE_MAX = 6;
const key = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h", "i", "j");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ offer: key, price: fc.nat(9), ttl: fc.nat(5) }),
  },
  { weight: 1, arbitrary: fc.record({ remove: key }) },
  { weight: 1, arbitrary: fc.record({ expire: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 1, arbitrary: fc.constant("take" as const) },
);

/** What the queue is to its user: a short list, looked through every time. */
class Model {
  places: { key: string; value: Value; deadline: number }[] = [];

  first(): Value | undefined {
    return this.places.map(({ value }) => value).sort(compare)[0];
  }

  remove(key: string): Value | undefined {
    const found = this.places.find((place) => place.key === key);
    this.places = this.places.filter((place) => place !== found);
    return found?.value;
  }

  take(): Value | undefined {
    const first = this.first();
    this.places = this.places.filter(({ value }) => value !== first);
    return first;
  }

  expire(block: number): Value[] {
    const late = this.places.filter(({ deadline }) => deadline < block);
    this.places = this.places.filter(({ deadline }) => deadline >= block);
    return late.map(({ value }) => value);
  }
}

function sameValues(a: readonly Value[], b: readonly Value[]): boolean {
  const serials = (values: readonly Value[]): string =>
    String(values.map(({ serial }) => serial).sort((x, y) => x - y));
  return serials(a) === serials(b);
}

t.test("is a bounded list with one place a key, whatever is done to it", async (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const queue = new ConflatingQueue<Value>({ compare, sizeMax: SIZE_MAX });
      const model = new Model();
      let block = 0;
      steps.forEach((next, serial) => {
        if (next === "take") t.equal(queue.take(), model.take());
        else if ("remove" in next) t.equal(queue.remove(next.remove), model.remove(next.remove));
        else if ("expire" in next) {
          block += next.expire;
          t.ok(sameValues(queue.expire(block), model.expire(block)));
        } else {
          const hadRoom =
            model.places.length < SIZE_MAX || model.places.some(({ key }) => key === next.offer);
          t.equal(queue.hasRoom(next.offer), hadRoom);
          const value = { price: next.price, serial };
          const deadline = block + next.ttl;
          if (hadRoom) {
            t.equal(queue.offer(next.offer, value, deadline), model.remove(next.offer));
            model.places.push({ key: next.offer, value, deadline });
          } else t.throws(() => queue.offer(next.offer, value, deadline), RangeError);
          t.equal(queue.get(next.offer), hadRoom ? value : undefined);
        }
        t.equal(queue.peek(), model.first());
        t.equal(queue.size, model.places.length);
      });
    }),
    { numRuns: 500 },
  );
});

t.test("a value is good in the block of its deadline, and not after it", async (t) => {
  const queue = new ConflatingQueue<Value>({ compare, sizeMax: 1 });
  queue.offer("a", { price: 1, serial: 1 }, 5);
  t.same(queue.expire(5), []);
  t.same(queue.expire(6), [{ price: 1, serial: 1 }]);
  t.equal(queue.size, 0);
});

t.test("of 10,000 places one is replaced or expired with few comparisons", async (t) => {
  const queue = new ConflatingQueue<Value>({ compare, sizeMax: 10_000 });
  for (let serial = 0; serial < 10_000; serial++)
    queue.offer(String(serial), { price: (serial * 7919) % 10_007, serial }, serial);
  comparisons = 0;
  for (let round = 0; round < 100; round++)
    queue.offer(String(5_000 + round), { price: round, serial: 20_000 + round }, 30_000);
  t.ok(comparisons < 100 * 80, `${comparisons} comparisons for 100 replacements`);
  comparisons = 0;
  t.equal(queue.expire(100).length, 100);
  t.ok(comparisons < 100 * 50, `${comparisons} comparisons for 100 that expired`);
});
