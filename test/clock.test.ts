/** The process's clock: wall time that never goes back. */
import t from "tap";
import { createSteadyClock } from "../node/clock.ts";

t.test("it follows the wall clock forward, and slews while that is behind", async (t) => {
  let wall = 1_000_000;
  let monotonic = 0;
  const clock = createSteadyClock(
    () => wall,
    () => monotonic,
  );
  const pass = (ms: number): number => {
    wall += ms;
    monotonic += ms;
    return clock.nowMs();
  };
  t.equal(pass(1000), 1_001_000);
  wall += 60_000;
  t.equal(pass(1000), 1_062_000, "a step forward is followed");
  wall -= 3_600_000;
  const before = clock.nowMs();
  const after = pass(10_000);
  t.ok(after > before + 9_990 && after < before + 10_000, "a step back only slows it");
  let last = after;
  for (let i = 0; i < 100; i++) {
    wall -= 500;
    const now = pass(100);
    t.ok(now >= last);
    last = now;
  }
});
