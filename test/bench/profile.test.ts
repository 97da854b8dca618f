import t from "tap";
import { createProfile } from "./profile.ts";
import { formatSelfTimes } from "./report.ts";

const WORK_MS = 60;

/** Keeps the thread busy; its name is what the profile has to show. */
function grind(): number {
  let sum = 0;
  for (const startedMs = performance.now(); performance.now() - startedMs < WORK_MS;)
    for (let i = 0; i < 10_000; i++) sum += Math.sqrt(i);
  return sum;
}

t.test("self times name the function that worked, by its source", async (t) => {
  const profile = await createProfile();
  await profile.around(() => {
    grind();
    return Promise.resolve();
  });
  const times = profile.selfTimes();
  profile.close();
  const own = times.find(({ name }) => name === "grind");
  t.match(own?.place, /^test\/bench\/profile\.test:\d+$/);
  t.ok(times.every(({ name }) => name !== "(idle)"));
  const shares = times.reduce((sum, { share }) => sum + share, 0);
  t.ok(Math.abs(shares - 1) < 1e-9, "shares are of everything");
  t.match(
    formatSelfTimes("a title", times),
    /^a title\n *self.*ms.*function.*place\n(.*\n)*.*% .* grind +test\/bench/,
  );
});
