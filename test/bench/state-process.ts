/**
 * A program of its own that builds a state into a data folder: `state-process.js FOLDER POPULATION`.
 * What building leaves on the heap is not there when the benchmarks measure.
 */
import { ZERO_HASH } from "../../lanes/bytes.ts";
import { encodeLaneState, genesisLaneState } from "../../lanes/lane-state.ts";
import { buildGenesis } from "../../node/chain/genesis.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import { type BlockCommit, NO_ADMISSIONS } from "../../node/storage/store.ts";
import { makeSenders, type Population, statePlan } from "./population.ts";
import { GENESIS_TIME, POLICY, ROLLUP } from "./rollup.ts";
import { buildState } from "./state.ts";

function genesisCommit(): BlockCommit {
  const { block, diff, trie } = buildGenesis(ROLLUP);
  const ref = { number: 0, hash: block.hash };
  return {
    stored: {
      block,
      laneData: { policyHash: POLICY.hash, flashblocks: [], numbers: [] },
      orderHashes: [],
      flashblockSignatures: [],
      laneState: encodeLaneState(genesisLaneState(GENESIS_TIME)),
      signature: null,
    },
    receipts: [],
    diff,
    trie,
    settled: [],
    admissions: NO_ADMISSIONS,
    heads: { unsafe: ref, safe: ref, finalized: ref },
    cursor: {
      nextBatchIndex: 0,
      previousBatchHash: ZERO_HASH,
      l1Block: ROLLUP.genesis.l1Origin,
      pendingFinality: [],
    },
  };
}

const [dataDir, json] = process.argv.slice(2);
if (dataDir === undefined || json === undefined) throw new Error("state-process FOLDER POPULATION");
const population = JSON.parse(json) as Population;
const store = await createStore({ dataDir });
await store.initialize(genesisCommit(), ZERO_HASH);
await buildState(ROLLUP, store, statePlan(population, makeSenders(population)));
await store.close();
