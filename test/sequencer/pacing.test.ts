/** How flashblocks are spread over a block's time, and over the time that it stays open after. */
import t from "tap";
import { waitMs } from "../../node/sequencer/pacing.ts";

const MAX = 256;

/** A fast transaction every 10 ms; the longest that one has to wait for a flashblock. */
function longestWait(blockMs: number, openMs: number): { longestMs: number; left: number } {
  let left = MAX;
  let openedAtMs = -Infinity;
  let waitsSinceMs: number | null = null;
  let longestMs = 0;
  for (let nowMs = 0; nowMs < openMs; nowMs++) {
    if (nowMs % 10 === 0) waitsSinceMs ??= nowMs;
    if (waitsSinceMs === null) continue;
    longestMs = Math.max(longestMs, nowMs - waitsSinceMs);
    const wait = waitMs({
      ...{ untilSealMs: blockMs - nowMs, left, max: MAX, hasFast: true, hasNormal: false },
      ...{ isNormalLeft: false, sinceOpenedMs: nowMs - openedAtMs, sinceNormalMs: 0 },
      flashblockMs: 50,
    });
    if (wait > 0) continue;
    left -= 1;
    openedAtMs = nowMs;
    waitsSinceMs = null;
  }
  return { longestMs, left };
}

t.test("a steady fast lane does not run out of flashblocks", (t) => {
  t.match(longestWait(1_000, 1_000), { longestMs: 0 });
  // The block before is checked for seconds: without a spread the last is opened after 2.6 s.
  const { longestMs, left } = longestWait(1_000, 5_000);
  t.ok(left > 0, "some are left");
  t.ok(longestMs < 100, `${longestMs} ms`);
  // Twice as many flashblocks as a block has.
  const crowded = longestWait(5_120, 5_120);
  t.ok(crowded.left >= 0 && crowded.longestMs < 100, `${crowded.longestMs} ms`);
  t.end();
});
