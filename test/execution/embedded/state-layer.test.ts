import t from "tap";
import { bigintToBytes, type Hex, toHex } from "../../../lanes/bytes.ts";
import { EMPTY_ACCOUNT } from "../../../node/execution/embedded/state.ts";
import { createLayer, layerChanges, toDiff } from "../../../node/execution/embedded/state-layer.ts";
import { COST_A_TURN, inTurns } from "../../../node/turns.ts";
import { watchTurns } from "../../fixtures/turn-watch.ts";
import { createMemoryState } from "../fixtures/state.ts";

const ITEMS = 5000;
const CONTRACT: Hex = `0x${"cc".repeat(20)}`;
const CODE_HASH: Hex = `0x${"c0".repeat(32)}`;

const address = (index: number): Hex => toHex(bigintToBytes(BigInt(index), 20));
const word = (index: number): Hex => toHex(bigintToBytes(BigInt(index), 32));

t.test("the changes of a large layer are found in turns, each once", async (t) => {
  const layer = createLayer();
  for (let i = 0; i < ITEMS; i++) layer.accounts.set(address(i), { ...EMPTY_ACCOUNT, nonce: 1n });
  // Known from its account, its slots and its clearing.
  layer.accounts.set(CONTRACT, { ...EMPTY_ACCOUNT, codeHash: CODE_HASH });
  layer.slots.set(CONTRACT, new Map(Array.from({ length: ITEMS }, (_, i) => [word(i), 1n])));
  layer.cleared.add(CONTRACT);
  layer.codes.set(CODE_HASH, Uint8Array.of(0x60));
  // Nothing but slots, and a clearing of nothing: neither is a change.
  layer.slots.set(address(ITEMS), new Map([[word(1), 0n]]));
  layer.cleared.add(address(ITEMS + 1));
  const { state } = createMemoryState();
  const watch = watchTurns();
  const account = (of: Hex) => {
    watch.touch("accounts");
    return state.account(of);
  };
  const most = await watch.during(async () => {
    const changes = await inTurns(layerChanges(layer, { ...state, account }));
    const { accounts, codes } = await inTurns(toDiff(changes, layer));
    t.equal(accounts.length, ITEMS + 1);
    t.equal(new Set(accounts.map((change) => change.address)).size, ITEMS + 1);
    t.equal(accounts.find((change) => change.address === CONTRACT)?.slots.length, ITEMS);
    t.same(codes, [{ hash: CODE_HASH, code: Uint8Array.of(0x60) }]);
  });
  t.ok((most["accounts"] ?? Infinity) <= COST_A_TURN, `${most["accounts"]} between two turns`);
});

t.test("the slots of one account are compared in turns", async (t) => {
  const memory = createMemoryState();
  const before = { ...EMPTY_ACCOUNT, nonce: 1n, storageRoot: word(7) };
  const layer = createLayer();
  layer.slots.set(CONTRACT, new Map(Array.from({ length: ITEMS }, (_, i) => [word(i), BigInt(i)])));
  const watch = watchTurns();
  const below = {
    ...memory.state,
    account: () => before,
    slot: () => {
      watch.touch("slots");
      return 7n;
    },
  };
  const most = await watch.during(async () => {
    const [change] = await inTurns(layerChanges(layer, below));
    t.equal(change?.slots.length, ITEMS - 1, "one has its value already");
    t.same(change?.slots[0], { slot: word(0), before: 7n, after: 0n });
  });
  t.ok((most["slots"] ?? Infinity) <= COST_A_TURN, `${most["slots"]} between two turns`);
});
