import { setImmediate } from "node:timers/promises";
import t from "tap";
import { PeerTurns } from "../../node/p2p/peer-turns.ts";

t.test("whoever asks for little waits for one piece of whoever asks for much", async (t) => {
  const turns = new PeerTurns();
  const done: string[] = [];
  const work = async (peer: string): Promise<void> => {
    await turns.take(peer);
    done.push(peer);
  };
  const all = ["a", "a", "a", "a", "b", "c", "c"].map(work);
  await Promise.all(all);
  t.equal(done.join(""), "aabcaca", "the first at once, then in turn");
  await work("b");
  t.equal(done.at(-1), "b", "it goes on after a pause");
});

t.test("others have a turn of the event loop after each piece", async (t) => {
  const turns = new PeerTurns();
  let pieces = 0;
  let seen = 0;
  const all = Array.from({ length: 10 }, async () => {
    await turns.take("a");
    pieces++;
  });
  while (pieces < 10) {
    await setImmediate();
    seen++;
  }
  await Promise.all(all);
  t.ok(seen >= 9, `${seen} turns between 10 pieces`);
});

t.test("who comes while another's turn is not forgotten", async (t) => {
  const turns = new PeerTurns();
  const done: string[] = [];
  await turns.take("a");
  const late = turns.take("a").then(() => done.push("a"));
  await setImmediate();
  await setImmediate();
  const later = turns.take("a").then(() => done.push("again"));
  await Promise.all([late, later]);
  t.same(done, ["a", "again"]);
});
