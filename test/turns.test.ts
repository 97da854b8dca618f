import t from "tap";
import { atOnce, COST_A_TURN, inTurns, type Steps } from "../node/turns.ts";
import { watchTurns } from "./fixtures/turn-watch.ts";

const STEP_COST = 10;
const STEPS_A_TURN = COST_A_TURN / STEP_COST;

function* work(steps: number, touch: (step: number) => void): Steps<string> {
  for (let step = 0; step < steps; step++) {
    touch(step);
    yield STEP_COST;
  }
  return "done";
}

t.test("no more is done between two turns than a turn costs", async (t) => {
  const watch = watchTurns();
  const most = await watch.during(async () => {
    const steps = work(20 * STEPS_A_TURN, () => {
      watch.touch("steps");
    });
    t.equal(await inTurns(steps), "done");
  });
  t.same(most, { steps: STEPS_A_TURN });
});

t.test("a little work has no turn, much that follows each other has", async (t) => {
  const watch = watchTurns();
  const most = await watch.during(async () => {
    for (let i = 0; i < 10 * STEPS_A_TURN; i++)
      await inTurns(
        work(1, () => {
          watch.touch("steps");
        }),
      );
  });
  t.same(most, { steps: STEPS_A_TURN });
});

t.test("two works at a time both end, with what they return", async (t) => {
  const order: string[] = [];
  const both = ["a", "b"].map((name) =>
    inTurns(work(3 * STEPS_A_TURN, (step) => step % STEPS_A_TURN === 0 && order.push(name))),
  );
  t.same(await Promise.all(both), ["done", "done"]);
  t.equal(order.length, 6);
  t.not(order.join(""), "aaabbb", "they take turns");
});

t.test("what a step throws is what the caller gets, and nothing more is done", async (t) => {
  const done: number[] = [];
  const failing = () =>
    work(3 * STEPS_A_TURN, (step) => {
      if (step === 2 * STEPS_A_TURN) throw new Error("broken");
      done.push(step);
    });
  await t.rejects(inTurns(failing()), /broken/);
  t.equal(done.length, 2 * STEPS_A_TURN);
  t.throws(() => atOnce(failing()), /broken/);
});

t.test("at once is without a turn", async (t) => {
  const watch = watchTurns();
  const most = await watch.during(async () => {
    const steps = work(5 * STEPS_A_TURN, () => {
      watch.touch("steps");
    });
    t.equal(atOnce(steps), "done");
    await Promise.resolve();
  });
  t.same(most, { steps: 5 * STEPS_A_TURN });
});
