import t from "tap";
import { type Hex, ZERO_ADDRESS, ZERO_HASH } from "../../../lanes/bytes.ts";
import type { PendingSlice } from "../../../node/api.ts";
import { createWorkingState } from "../../../node/execution/embedded/state.ts";
import {
  createPendingBlocks,
  type PendingBlocks,
} from "../../../node/execution/embedded/pending.ts";
import type { AccountWrite, BlockSlice } from "../../../node/execution/engine.ts";
import { packSlice } from "../../../node/execution/slice-codec.ts";
import type { BlockRef } from "../../../node/primitives/block.ts";
import { keccakHex } from "../../../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../../node/primitives/header.ts";
import { EMPTY_CODE_HASH } from "../../../node/storage/state.ts";
import { addressAt, createRandom, slotAt } from "../../storage/fixtures/chain.ts";
import { words } from "../fixtures/chain.ts";
import { createMemoryState } from "../fixtures/state.ts";

const hashAt = (number: number, fork = 0): Hex => keccakHex(Uint8Array.of(number, fork));
const HEAD: BlockRef = { number: 7, hash: hashAt(7) };

const account = (nonce: bigint) => ({
  nonce,
  balance: 10n,
  codeHash: EMPTY_CODE_HASH,
  storageRoot: EMPTY_TRIE_ROOT,
});

function slice(
  number: number,
  index: number,
  parentHash: Hex,
  writes: readonly AccountWrite[] = [],
  codes: BlockSlice["codes"] = [],
): PendingSlice {
  return {
    environment: {
      number,
      timestamp: 1000 + number,
      gasLimit: 30_000_000n,
      baseFee: 7n,
      beneficiary: ZERO_ADDRESS,
      prevRandao: ZERO_HASH,
    },
    parentHash,
    index,
    slice: packSlice({ writes, codes, transactions: [], receipts: [] }),
  };
}

const nonceOf = (nonce: bigint): AccountWrite[] => [
  { address: addressAt(1), after: account(nonce), storageCleared: false, slots: [] },
];

/** Nonce of the first account in the pending state; `null` where there is none. */
function nonceIn(blocks: PendingBlocks, head: BlockRef = HEAD): bigint | null {
  const view = blocks.over(head, createMemoryState().state);
  return view === null ? null : (view.state.account(addressAt(1))?.nonce ?? 0n);
}

t.test("without any slice there is nothing pending", async (t) => {
  t.equal(createPendingBlocks().over(HEAD, createMemoryState().state), null);
});

t.test("slices add up, over the block they were built on and no other", async (t) => {
  const blocks = createPendingBlocks();
  blocks.add(slice(8, 0, HEAD.hash, nonceOf(1n)));
  t.equal(nonceIn(blocks), 1n);
  blocks.add(slice(8, 1, HEAD.hash, nonceOf(2n)));
  t.equal(nonceIn(blocks), 2n);
  const view = blocks.over(HEAD, createMemoryState().state);
  t.match(view, { environment: { number: 8, timestamp: 1008 }, parentHash: HEAD.hash });
  for (const head of [
    { number: 7, hash: hashAt(7, 1) },
    { number: 6, hash: hashAt(6) },
    { number: 8, hash: hashAt(8) },
  ])
    t.equal(nonceIn(blocks, head), null, JSON.stringify(head));
});

t.test("a missing slice takes the block away, until the next one begins", async (t) => {
  const blocks = createPendingBlocks();
  blocks.add(slice(8, 1, HEAD.hash, nonceOf(9n)));
  t.equal(nonceIn(blocks), null, "the first was missed");
  blocks.add(slice(8, 0, HEAD.hash, nonceOf(1n)));
  blocks.add(slice(8, 2, HEAD.hash, nonceOf(3n)));
  t.equal(nonceIn(blocks), null, "the second was missed");
  blocks.add(slice(8, 3, HEAD.hash, nonceOf(4n)));
  t.equal(nonceIn(blocks), null, "what comes later does not heal it");
  blocks.add(slice(9, 0, hashAt(8), nonceOf(5n)));
  t.equal(nonceIn(blocks), null, "nor what stands on it");
  t.equal(nonceIn(blocks, { number: 8, hash: hashAt(8) }), 5n, "which counts on its own head");
});

t.test("a block that is built anew starts from nothing", async (t) => {
  const blocks = createPendingBlocks();
  blocks.add(slice(8, 0, HEAD.hash, nonceOf(1n)));
  blocks.add(slice(8, 1, HEAD.hash, nonceOf(2n)));
  blocks.add(slice(8, 0, HEAD.hash));
  t.equal(nonceIn(blocks), 0n);
  blocks.add(slice(8, 1, HEAD.hash, nonceOf(6n)));
  t.equal(nonceIn(blocks), 6n);
});

t.test("blocks stand on sealed ones that the store does not have yet", async (t) => {
  const blocks = createPendingBlocks();
  const [eight, nine] = [8, 9].map((number) => ({ number, hash: hashAt(number) }));
  blocks.add(slice(8, 0, HEAD.hash, nonceOf(1n)));
  t.equal(nonceIn(blocks, eight), null, "nothing stands on it yet");
  blocks.add(slice(9, 0, hashAt(8), nonceOf(2n)));
  t.equal(nonceIn(blocks), 2n);
  t.equal(blocks.over(HEAD, createMemoryState().state)?.parentHash, hashAt(8));
  t.equal(nonceIn(blocks, eight), 2n);
  t.equal(nonceIn(blocks, { number: 8, hash: hashAt(8, 1) }), null);
  blocks.add(slice(10, 0, hashAt(9), nonceOf(4n)));
  t.equal(nonceIn(blocks), 4n);
  t.equal(nonceIn(blocks, nine), 4n);
  blocks.add(slice(11, 0, hashAt(10), nonceOf(5n)));
  t.equal(nonceIn(blocks), null, "no more than three blocks are kept");
  t.equal(nonceIn(blocks, eight), 5n);
  blocks.add(slice(13, 0, hashAt(12), nonceOf(6n)));
  t.equal(nonceIn(blocks, eight), null, "a gap leaves nothing behind");
  t.equal(nonceIn(blocks, { number: 12, hash: hashAt(12) }), 6n);
});

t.test("too much of a block is none of it", async (t) => {
  const blocks = createPendingBlocks();
  const slots = Array.from({ length: 60_000 }, (_, i) => ({
    slot: words(BigInt(i)),
    value: 1n,
  }));
  const write = { address: addressAt(1), after: account(3n), storageCleared: false, slots };
  for (let index = 0; index < 3; index++) blocks.add(slice(8, index, HEAD.hash, [write]));
  t.equal(nonceIn(blocks), 3n);
  blocks.add(slice(8, 3, HEAD.hash, [write]));
  t.equal(nonceIn(blocks), null);
  blocks.add(slice(8, 0, HEAD.hash, nonceOf(1n)));
  t.equal(nonceIn(blocks), 1n);
  const code = new Uint8Array(17 * 1024 * 1024);
  blocks.add(slice(8, 1, HEAD.hash, [], [{ hash: keccakHex(code), code }]));
  t.equal(nonceIn(blocks), null);
});

const ADDRESSES = [0, 1, 2, 3, 4].map(addressAt);
const SLOTS = [0, 1, 2, 3].map(slotAt);

t.test("the state is what a plain map of all writes holds", async (t) => {
  const random = createRandom(5);
  for (let round = 0; round < 40; round++) {
    const memory = createMemoryState();
    const nonces = new Map<Hex, bigint | null>();
    const values = new Map<Hex, Map<Hex, bigint>>(ADDRESSES.map((each) => [each, new Map()]));
    // What the store holds: some accounts with storage.
    memory.commit({
      diff: {
        codes: [],
        accounts: ADDRESSES.slice(0, 3).map((address) => {
          nonces.set(address, 1n);
          values.get(address)!.set(SLOTS[0]!, 5n);
          const after = { ...account(1n), storageRoot: hashAt(99) };
          const slots = [{ slot: SLOTS[0]!, before: 0n, after: 5n }];
          return { address, before: null, after, storageCleared: false, slots };
        }),
      },
      trie: [],
    });
    const blocks = createPendingBlocks();
    for (let number = 8; number < 10; number++)
      for (let index = 0; index < 4; index++) {
        const writes = ADDRESSES.filter(() => random(2) === 0).map((address): AccountWrite => {
          const gone = random(5) === 0;
          const storageCleared = gone || random(5) === 0;
          const own = values.get(address)!;
          if (storageCleared) own.clear();
          nonces.set(address, gone ? null : BigInt(number * 10 + index));
          const written = gone ? [] : SLOTS.filter(() => random(3) === 0);
          const slots = written.map((slot) => ({ slot, value: BigInt(random(3)) }));
          for (const { slot, value } of slots) own.set(slot, value);
          const after = gone ? null : account(BigInt(number * 10 + index));
          return { address, after, storageCleared, slots };
        });
        blocks.add(slice(number, index, hashAt(number - 1), writes));
      }
    const state = blocks.over(HEAD, memory.state)!.state;
    // A working state trusts the storage root: an empty one means that no slot is read at all.
    const working = createWorkingState(state);
    for (const address of ADDRESSES) {
      t.equal(state.account(address)?.nonce ?? null, nonces.get(address) ?? null);
      const own = values.get(address)!;
      for (const slot of SLOTS) {
        t.equal(state.slot(address, slot), own.get(slot) ?? 0n);
        t.equal(working.slot(address, slot), own.get(slot) ?? 0n, "through a working state");
      }
      const full = [...own]
        .filter(([, value]) => value !== 0n)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      t.same(
        state.slots(address),
        full.map(([slot, value]) => ({ slot, value })),
      );
    }
  }
});

t.test("an account that only moved its balance keeps its storage root", async (t) => {
  const memory = createMemoryState();
  const root = hashAt(98);
  const after = { ...account(1n), storageRoot: root };
  const change = { address: addressAt(1), before: null, after, storageCleared: false, slots: [] };
  memory.commit({ diff: { codes: [], accounts: [change] }, trie: [] });
  const blocks = createPendingBlocks();
  blocks.add(slice(8, 0, HEAD.hash, nonceOf(2n)));
  t.equal(blocks.over(HEAD, memory.state)!.state.account(addressAt(1))?.storageRoot, root);
  const cleared = { ...nonceOf(3n)[0]!, storageCleared: true };
  blocks.add(slice(8, 1, HEAD.hash, [cleared]));
  t.equal(
    blocks.over(HEAD, memory.state)!.state.account(addressAt(1))?.storageRoot,
    EMPTY_TRIE_ROOT,
  );
});

t.test("results are bounded, whether or not anybody looks at them", (t) => {
  const blocks = createPendingBlocks();
  const big = slice(8, 0, HEAD.hash, nonceOf(1n));
  const results = (bytes: number) => ({
    ...big,
    slice: { ...big.slice, results: new Uint8Array(bytes) },
  });
  blocks.add(results(32 * 1024 * 1024));
  t.equal(nonceIn(blocks), 1n);
  blocks.add({ ...slice(8, 1, HEAD.hash, nonceOf(2n)) });
  t.equal(nonceIn(blocks), null, "one more is too much");
  t.end();
});
