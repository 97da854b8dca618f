import t from "tap";
import { inTime } from "../../rpc/in-time.ts";
import { createManualClock } from "./fixture-clock.ts";

t.test(
  "an answer that does not come is given up, and one that comes late is nobody's",
  async (t) => {
    const clock = createManualClock(0);
    t.equal(await inTime(Promise.resolve(1), 2, 100, clock), 1);
    await t.rejects(inTime(Promise.reject(new Error("no")), 2, 100, clock), { message: "no" });
    let answer: (value: number) => void = () => undefined;
    const late = new Promise<number>((resolve) => {
      answer = resolve;
    });
    const asked = inTime(late, 2, 100, clock);
    clock.advance(99);
    const first = await Promise.race([asked, Promise.resolve("waits")]);
    t.equal(first, "waits");
    clock.advance(1);
    t.equal(await asked, 2);
    answer(1);
    t.equal(await asked, 2);
    let refuse: (error: Error) => void = () => undefined;
    const failing = new Promise<number>((_resolve, reject) => {
      refuse = reject;
    });
    const other = inTime(failing, 3, 100, clock);
    clock.advance(100);
    refuse(new Error("too late"));
    t.equal(await other, 3, "no unhandled rejection either");
  },
);
