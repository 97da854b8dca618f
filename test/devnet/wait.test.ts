import t from "tap";
import { waitFor } from "../../devnet/wait.ts";

const { signal } = new AbortController();

t.test("gives the first value that is not null, asking again after an error", async (t) => {
  let asked = 0;
  const value = await waitFor(
    "three",
    () => {
      asked++;
      if (asked === 1) return Promise.reject(new Error("not yet"));
      return Promise.resolve(asked < 3 ? null : asked);
    },
    { timeoutMs: 5_000, signal, intervalMs: 1 },
  );
  t.equal(value, 3);
});

t.test("names what it waited for and the last error, once the time is over", async (t) => {
  const probe = () => Promise.reject(new Error("connection refused\nat somewhere"));
  await t.rejects(waitFor("the moon", probe, { timeoutMs: 1, signal, intervalMs: 1 }), {
    name: "DevnetError",
    message: "waited 0 s for the moon (connection refused)",
  });
});

t.test("stops at once on abort", async (t) => {
  const controller = new AbortController();
  const waiting = waitFor(
    "never",
    () => {
      controller.abort();
      return Promise.resolve(null);
    },
    { timeoutMs: 60_000, signal: controller.signal },
  );
  await t.rejects(waiting, { name: "AbortError" });
});
