/** Shares of time by thread, on loops whose times are made up. */
import type { EventLoopUtilization } from "node:perf_hooks";
import t from "tap";
import { ThreadLoad } from "../node/thread-load.ts";

/** A loop that was busy for so many of so many milliseconds, when it is asked. */
function loop(readings: readonly (readonly [active: number, all: number])[]) {
  let next = 0;
  const eventLoopUtilization = (
    now?: EventLoopUtilization,
    before?: EventLoopUtilization,
  ): EventLoopUtilization => {
    if (now === undefined || before === undefined) {
      const [active, all] = readings[next++] ?? [0, 0];
      return { active, idle: all - active, utilization: active / all };
    }
    const [active, idle] = [now.active - before.active, now.idle - before.idle];
    return { active, idle, utilization: active / (active + idle) };
  };
  return { performance: { eventLoopUtilization } };
}

t.test("each thread since the last time, threads of one name together", (t) => {
  const load = new ThreadLoad("main");
  load.watch(
    "pool",
    loop([
      [50, 100],
      [50, 200],
      [150, 300],
    ]),
  );
  load.watch(
    "pool",
    loop([
      [0, 100],
      [25, 200],
      [25, 300],
    ]),
  );
  const { pool, main } = load.shares();
  t.equal(pool, 0.25, "nothing and a quarter");
  t.ok(main !== undefined && main >= 0 && main <= 1);
  const { pool: then } = load.shares();
  t.equal(then, 1, "all of it and nothing");
  t.end();
});
