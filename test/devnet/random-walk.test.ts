import fc from "fast-check";
import t from "tap";
import { createRandom, nextPrice } from "../../devnet/random-walk.ts";

t.test("the same seed gives the same numbers, another seed others", async (t) => {
  const take = (seed: number) => {
    const random = createRandom(seed);
    return Array.from({ length: 100 }, random);
  };
  t.same(take(7), take(7));
  t.notSame(take(7), take(8));
  t.ok(take(7).every((value) => value >= 0 && value < 1));
});

t.test("a price stays positive and moves by at most 0.05 %", async (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 10n ** 30n }), fc.integer(), (price, seed) => {
      const next = nextPrice(price, createRandom(seed));
      const moved = next > price ? next - price : price - next;
      return next > 0n && moved * 2_000n <= price;
    }),
  );
  t.pass("for any price and seed");
});
