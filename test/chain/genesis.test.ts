import { createMPT } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import t from "tap";
import { bigintToMinimalBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { buildGenesis, predeployAlloc } from "../../node/chain/genesis.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT, headerHash } from "../../node/primitives/header.ts";
import { type RollupConfig } from "../../node/rollup-config.ts";
import { GENESIS_TIME, makeConfig, words } from "../execution/fixtures/chain.ts";
import { createMemoryState } from "../execution/fixtures/state.ts";

const MESSAGE_PASSER: Hex = "0x4200000000000000000000000000000000000016";

function withAlloc(alloc: RollupConfig["genesis"]["alloc"]): RollupConfig {
  const config = makeConfig();
  return {
    ...config,
    genesis: { ...config.genesis, alloc: { ...config.genesis.alloc, ...alloc } },
  };
}

t.test("the state root is that of the reference trie", async (t) => {
  const storage = { [words(1n)]: words(0xffn), [words(2n)]: words(0n), [words(9n)]: words(1n) };
  const account = { balance: 7n, nonce: 3, code: "0x00" as Hex, storage };
  const config = withAlloc({ [`0x${"ab".repeat(20)}`]: account });
  const state = await createMPT();
  for (const [address, entry] of Object.entries(config.genesis.alloc)) {
    const slots = await createMPT();
    for (const [slot, value] of Object.entries(entry.storage))
      if (BigInt(value) !== 0n)
        await slots.put(
          keccak256(fromHex(slot as Hex)),
          RLP.encode(bigintToMinimalBytes(BigInt(value))),
        );
    await state.put(
      keccak256(fromHex(address as Hex)),
      RLP.encode([
        bigintToMinimalBytes(BigInt(entry.nonce)),
        bigintToMinimalBytes(entry.balance),
        slots.root(),
        keccak256(fromHex(entry.code)),
      ]),
    );
  }
  t.equal(buildGenesis(config).header.stateRoot, toHex(state.root()));
});

t.test("the genesis header is fixed by the config", (t) => {
  const { block, header, diff } = buildGenesis(makeConfig());
  t.equal(block.hash, headerHash(header));
  t.match(header, {
    number: 0,
    timestamp: GENESIS_TIME,
    parentHash: words(0n),
    gasLimit: 30_000_000n,
    gasUsed: 0n,
    baseFeePerGas: 1_000_000_000n,
    beneficiary: "0x4200000000000000000000000000000000000011",
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    withdrawalsRoot: EMPTY_TRIE_ROOT,
  });
  t.equal(toHex(header.extraData), "0x00000000fa00000006");
  t.same(buildGenesis(makeConfig()).block, block);
  const addresses = diff.accounts.map(({ address }) => address);
  t.same(addresses, [...addresses].sort());
  t.not(buildGenesis(makeConfig({ gasLimit: "1" })).block.hash, block.hash);
  t.end();
});

t.test("the withdrawals root is the message passer's storage root", (t) => {
  const storage = { [words(5n)]: words(6n) };
  const account = { balance: 0n, nonce: 1, code: "0x00" as Hex, storage };
  const { header, diff } = buildGenesis(withAlloc({ [MESSAGE_PASSER]: account }));
  const passer = diff.accounts.find(({ address }) => address === MESSAGE_PASSER);
  t.not(header.withdrawalsRoot, EMPTY_TRIE_ROOT);
  t.equal(header.withdrawalsRoot, passer?.after?.storageRoot);
  t.end();
});

t.test("empty accounts are left out; diff and nodes commit to an empty store", (t) => {
  const nothing: Hex = `0x${"00".repeat(19)}99`;
  const empty = { balance: 0n, nonce: 0, code: "0x" as Hex, storage: {} };
  const genesis = buildGenesis(withAlloc({ [nothing]: empty }));
  t.equal(genesis.block.hash, buildGenesis(makeConfig()).block.hash);
  const memory = createMemoryState();
  memory.commit(genesis);
  t.equal(memory.state.account(nothing), null);
  memory.rollback(genesis);
  t.equal(memory.nodes.size, 0);
  t.end();
});

t.test("every genesis has the predeploys of L2 and the two system contracts", (t) => {
  const codes = { L1Block: "0xfe", GasPriceOracle: "0xfd", PriceFeeds: "0xfc" } as const;
  const uptime = { SequencerUptimeFeed: "0xfb" } as const;
  const feedId = `0x${"ab".repeat(32)}` as const;
  const feeds = [
    { id: "ETH/USD", feedId: `0x${"11".repeat(32)}`, decimals: 8 },
    { id: feedId.toUpperCase().replace("0X", "0x"), feedId, decimals: 36 },
  ] as const;
  const alloc = predeployAlloc((name) => ({ ...codes, ...uptime })[name], feeds);
  t.match(alloc, {
    "0x4200000000000000000000000000000000000015": { nonce: 1, code: "0xfe" },
    "0x420000000000000000000000000000000000000f": { nonce: 1, code: "0xfd" },
    "0x4200000000000000000000000000000000000016": { nonce: 1 },
    "0x5200000000000000000000000000000000000001": { nonce: 1, code: "0xfc" },
    "0x5200000000000000000000000000000000000002": { nonce: 1, code: "0xfb" },
    "0x000f3df6d732807ef1319fb7b8bb8522d0beac02": { nonce: 1 },
    "0x0000f90827f1c53a10cb7a02335b175320002935": { nonce: 1 },
  });
  const stored = Object.values(alloc["0x5200000000000000000000000000000000000001"]?.storage ?? {});
  t.same(stored.map(Number), [9, 0x80 + 37], "one more than the decimals, and what the id is");
  t.end();
});
