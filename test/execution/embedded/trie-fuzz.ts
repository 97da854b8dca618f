/**
 * `npm run test:fuzz`: random updates to our tries and to the reference's, until one of the bounds.
 *
 * `--seed N` is where to begin (each episode has the next seed), `--updates N` how many updates,
 * `--seconds N` how long at most. Ends with exit code 1 at the first difference, naming the seed.
 */
import { parseArgs } from "node:util";
import { createRandom } from "../../parity/random.ts";
import { runStateEpisode } from "../fixtures/state-episode.ts";
import { type EpisodeCount, runTrieEpisode } from "../fixtures/trie-episode.ts";

const UPDATES_AN_EPISODE = 4000;
const MS_A_SECOND = 1000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      updates: { type: "string", default: "200000" },
      seconds: { type: "string", default: "60" },
    },
  });
  const updatesMax = Number(values.updates);
  const end = performance.now() + Number(values.seconds) * MS_A_SECOND;
  const total: EpisodeCount = { updates: 0, roots: 0, nodes: 0 };
  let seed = Number(values.seed);
  const first = seed;
  for (; total.updates < updatesMax && performance.now() < end; seed++) {
    const random = createRandom(seed);
    try {
      const run = random.oneIn(2) ? runTrieEpisode : runStateEpisode;
      const count = await run(random, Math.min(UPDATES_AN_EPISODE, updatesMax - total.updates));
      total.updates += count.updates;
      total.roots += count.roots;
      total.nodes += count.nodes;
    } catch (error) {
      console.error(`seed ${seed} fails`, error);
      process.exitCode = 1;
      return;
    }
  }
  console.log(`seeds ${first} to ${seed - 1}`, total);
}

await main();
