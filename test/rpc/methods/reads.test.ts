import t from "tap";
import { type Hex, toHex } from "../../../lanes/bytes.ts";
import { ZERO_HASH } from "../../../lanes/bytes.ts";
import { keccakHex } from "../../../node/primitives/hash.ts";
import { CONTRACT, FEED, policy, POLICY_JSON, SENDER, TOPIC } from "../fixture-chain.ts";
import { createFixture } from "../fixture-client.ts";
import { withMaxTxGas } from "../fixture-node.ts";

const AUTHORIZATION = {
  chainId: "0x385",
  address: CONTRACT,
  nonce: "0x4",
  yParity: "0x1",
  r: "0x2",
  s: "0x3",
};

t.test("the chain is named", async (t) => {
  const { result } = await createFixture();
  t.equal(await result("eth_chainId"), "0x385");
  t.equal(await result("net_version"), "901");
  t.equal(await result("net_peerCount"), "0x2");
  t.equal(await result("net_listening"), true);
  t.equal(await result("eth_syncing"), false);
  t.same(await result("eth_accounts"), []);
  t.match(await result("web3_clientVersion"), /^pricelane\//);
  t.equal(await result("web3_sha3", ["0x68656c6c6f"]), keccakHex(Buffer.from("hello")));
  t.same(await result("txpool_status"), { pending: "0x0", queued: "0x0" });
});

t.test("blocks are found by every name", async (t) => {
  const { chain, result, call } = await createFixture();
  const { hash } = chain.block;
  t.equal(await result("eth_blockNumber"), "0x1");
  for (const name of ["latest", "pending", "0x1"])
    t.match(await result("eth_getBlockByNumber", [name, false]), { hash, number: "0x1" });
  for (const name of [
    "latest",
    "0x1",
    hash,
    { blockNumber: "0x1" },
    { blockNumber: "latest", blockHash: null },
    { blockHash: hash, requireCanonical: true },
    { blockHash: hash, blockNumber: null },
  ])
    t.match(await result("lane_block", [name]), { blockHash: hash }, JSON.stringify(name));
  for (const name of ["safe", "finalized", "earliest", "0x0"])
    t.match(await result("eth_getBlockByNumber", [name]), { number: "0x0" });
  t.match(await result("eth_getBlockByHash", [hash.toUpperCase().replace("0X", "0x"), true]), {
    hash,
    transactions: [
      { type: "0x7e" },
      { type: "0x2" },
      { type: "0x0" },
      { type: "0x1" },
      { type: "0x4" },
    ],
  });
  t.equal(await result("eth_getBlockByNumber", ["0x3e8", true]), null);
  t.equal(await result("eth_getBlockByHash", [ZERO_HASH]), null);
  t.equal(await result("eth_getBlockTransactionCountByNumber", ["latest"]), "0x5");
  t.equal(await result("eth_getBlockTransactionCountByHash", [hash]), "0x5");
  t.equal(await result("eth_getBlockTransactionCountByHash", [ZERO_HASH]), null);
  t.equal(await result("eth_getUncleCountByBlockNumber", ["latest"]), "0x0");
  t.equal(await result("eth_getUncleCountByBlockHash", [ZERO_HASH]), null);
  const refused = { error: { code: -32602, data: { parameter: /^block/ } } };
  const bad = [
    ...["newest", "0x01", "1", 1, "0x", {}, { blockNumber: "0x1", blockHash: hash }, []],
    ...[{ blockNumber: ["0x1"] }, { blockNumber: 1 }, { blockNumber: hash }, { blockHash: "0x1" }],
    ...[{ blockNumber: null, blockHash: null }, { blockNumber: { blockNumber: "0x1" } }],
  ];
  for (const name of bad) t.match(await call("lane_block", [name]), refused, JSON.stringify(name));
  for (const name of [...bad, hash, { blockNumber: "0x1" }, { blockHash: hash }])
    t.match(await call("eth_getBlockByNumber", [name]), refused, JSON.stringify(name));
});

t.test("state is read at every block that is kept", async (t) => {
  const { chain, result, call } = await createFixture();
  t.equal(await result("eth_getBalance", [SENDER]), "0xde0b6b3a7640000");
  t.equal(await result("eth_getBalance", [CONTRACT, "pending"]), "0x0");
  t.equal(await result("eth_getCode", [SENDER, "0x1"]), "0x6001");
  t.equal(await result("eth_getCode", [CONTRACT]), "0x");
  t.equal(
    await result("eth_getStorageAt", [SENDER, "0x7", chain.block.hash]),
    `0x${"7".padStart(64, "0")}`,
  );
  t.equal(await result("eth_getTransactionCount", [SENDER, { blockNumber: "0x1" }]), "0x4");
  chain.grow();
  t.equal(await result("eth_getBalance", [SENDER, "0x1"]), "0xde0b6b3a7640000");
  t.equal(await result("eth_call", [{ to: FEED }, "0x1"]), "0x2a");
  for (const name of ["safe", "earliest", "0x0"])
    for (const [method, first] of [
      ["eth_getBalance", SENDER],
      ["eth_call", { to: FEED }],
      ["eth_estimateGas", { to: FEED }],
    ] as const)
      t.match(await call(method, [first, name]), {
        error: {
          code: -32001,
          data: { code: "STATE_NOT_AVAILABLE", block: 0, oldest: 1, head: 2 },
        },
      });
  t.match(await call("eth_getBalance", [SENDER, "0x9"]), {
    error: { code: -32001, data: { code: "BLOCK_NOT_FOUND" } },
  });
  t.match(await call("eth_getStorageAt", [SENDER, `0x${"0".repeat(65)}`]), {
    error: { code: -32602, data: { parameter: "slot" } },
  });
});

t.test("calls run with what the call object says", async (t) => {
  const { chain, result, call } = await createFixture();
  const request = {
    from: SENDER,
    to: FEED,
    gas: "0x5208",
    value: "0x1",
    data: "0x1234",
    input: "0x1234",
    maxFeePerGas: "0x77359400",
    maxPriorityFeePerGas: "0x1",
    type: "0x2",
    accessList: [{ address: FEED, storageKeys: [TOPIC] }],
    authorizationList: [AUTHORIZATION],
  };
  t.equal(await result("eth_call", [request, "latest"]), "0x2a");
  t.match(chain.calls[0], {
    from: SENDER,
    to: FEED,
    value: 1n,
    gasLimit: 21_000n,
    feeCap: 2_000_000_000n,
    tip: 1n,
    accessList: [{ address: FEED, storageKeys: [TOPIC] }],
    authorizationList: [{ chainId: 901n, address: CONTRACT, nonce: 4n, yParity: 1, r: 2n, s: 3n }],
    overrides: { accounts: [], block: null },
  });
  t.same(chain.calls[0]?.data, Uint8Array.of(0x12, 0x34));

  await result("eth_call", [{ gas: `0x${"f".repeat(16)}` }]);
  t.match(chain.calls[1], { to: null, gasLimit: 30_000_000n, feeCap: 0n, tip: 0n });
  await result("eth_call", [{ gasPrice: "0x5" }]);
  t.match(chain.calls[2], { feeCap: 5n, tip: null });

  const bad: readonly (readonly [unknown, string])[] = [
    ["0x", "call"],
    [{ to: "0x12" }, "call.to"],
    [{ data: "0x123" }, "call.data"],
    [{ data: "0x12", input: "0x34" }, "call.input"],
    [{ data: `0x${"00".repeat(131_073)}` }, "call.data"],
    [{ gasPrice: "0x1", maxFeePerGas: "0x1" }, "call.gasPrice"],
    [{ value: `0x1${"0".repeat(64)}` }, "call.value"],
    [{ to: FEED, authorizationList: [{}] }, "call.authorizationList[0].address"],
    [
      { to: FEED, authorizationList: [{ ...AUTHORIZATION, s: "0x00" }] },
      "call.authorizationList[0].s",
    ],
    [{ authorizationList: [AUTHORIZATION] }, "call.authorizationList"],
    [
      { accessList: [{ address: FEED, storageKeys: ["0x1"] }] },
      "call.accessList[0].storageKeys[0]",
    ],
    [{ blobVersionedHashes: ["0x01"] }, "call.blobVersionedHashes"],
    [{ accessList: [{ address: "0x" }] }, "call.accessList[0].address"],
  ];
  for (const [object, parameter] of bad)
    t.match(await call("eth_call", [object]), { error: { code: -32602, data: { parameter } } });
  t.match(await call("eth_call", [{ chainId: "0x1" }]), {
    error: { data: { code: "CHAIN_ID_MISMATCH" } },
  });
});

t.test("calls that fail are errors as geth's", async (t) => {
  const { chain, call } = await createFixture();
  const output = Buffer.from("08c379a0", "hex");
  chain.outcome = { success: false, output, gasUsed: 5n, error: "revert" };
  const reverted = { error: { code: 3, message: /^execution reverted/, data: "0x08c379a0" } };
  t.match(await call("eth_call", [{ to: FEED }]), reverted);
  t.match(await call("eth_estimateGas", [{ to: FEED }]), reverted);
  chain.outcome = { success: false, output: new Uint8Array(0), gasUsed: 5n, error: "out of gas" };
  t.match(await call("eth_call", [{ to: FEED }]), {
    error: { code: -32000, data: { code: "EXECUTION_FAILED", reason: "out of gas" } },
  });
});

t.test("estimates stay under what the pool takes", async (t) => {
  const { chain, result } = await createFixture();
  t.equal(await result("eth_estimateGas", [{ to: FEED }]), "0x5208");
  t.match(chain.calls[0], { gasMax: 16_777_216n });
  const low = await createFixture(withMaxTxGas(100_000));
  await low.result("eth_estimateGas", [{ to: FEED }]);
  t.match(low.chain.calls[0], { gasMax: 100_000n }, "the policy says what the pool takes");
});

const toQuantity = (value: number): Hex => `0x${value.toString(16)}`;

t.test("logs are found by range, block, address and topic", async (t) => {
  const { chain, result, call } = await createFixture();
  const count = async (filter: unknown) =>
    ((await result("eth_getLogs", [filter])) as unknown[]).length;
  t.equal(await count({}), 3);
  t.equal(await count({ fromBlock: "earliest", toBlock: "latest", address: FEED }), 3);
  t.equal(await count({ address: [CONTRACT, FEED], topics: [null] }), 3);
  t.equal(await count({ address: CONTRACT }), 0);
  t.equal(await count({ topics: [[ZERO_HASH, TOPIC]] }), 3);
  t.equal(await count({ topics: [ZERO_HASH] }), 0);
  t.equal(await count({ topics: [null, null] }), 0, "logs with fewer topics do not match");
  t.equal(await count({ blockHash: chain.block.hash }), 3);
  t.equal(await count({ fromBlock: "0x50", toBlock: "0x60" }), 0);
  for (const range of [{}, { toBlock: "latest" }, { toBlock: null }, { toBlock: "safe" }])
    t.equal(await count({ fromBlock: "0x2", ...range }), 0, "nothing there yet");
  t.equal(await count({ fromBlock: "latest", toBlock: "0x0" }), 0);
  t.match(await result("eth_getLogs", [{}]), [
    { blockTimestamp: toQuantity(chain.block.header.timestamp), logIndex: "0x0", removed: false },
    { logIndex: "0x1" },
    { logIndex: "0x2", transactionIndex: "0x2" },
  ]);
  const bad: readonly (readonly [unknown, string])[] = [
    [{ fromBlock: "0x2", toBlock: "0x1" }, "filter"],
    [{ blockHash: chain.block.hash, fromBlock: "0x1" }, "filter.blockHash"],
    [{ fromBlock: chain.block.hash }, "filter.fromBlock"],
    [{ toBlock: { blockNumber: "0x1" } }, "filter.toBlock"],
    [{ topics: [null, null, null, null, null] }, "filter.topics"],
    [{ topics: ["0x12"] }, "filter.topics[0]"],
    [{ topics: [Array.from({ length: 1001 }, () => TOPIC)] }, "filter.topics[0]"],
    [{ address: Array.from({ length: 1001 }, () => FEED) }, "filter.address"],
  ];
  for (const [filter, parameter] of bad)
    t.match(await call("eth_getLogs", [filter]), { error: { code: -32602, data: { parameter } } });
  t.match(await call("eth_getLogs", [{ blockHash: ZERO_HASH }]), {
    error: { data: { code: "BLOCK_NOT_FOUND" } },
  });
  t.match(await call("eth_getLogs", [{ address: Array.from({ length: 11 }, () => FEED) }]), {
    error: { code: -32005, data: { code: "LIMIT_EXCEEDED" } },
  });
});

t.test("fees are suggested from what was paid", async (t) => {
  const { chain, result, call } = await createFixture();
  // Tips of the block's four transactions: twice 2,000,000 and twice 1,000,000,000; the 60th
  // percentile of them.
  t.equal(await result("eth_maxPriorityFeePerGas"), toQuantity(2_000_000));
  const gasPrice = Number(await result("eth_gasPrice"));
  t.ok(gasPrice > 990_000_000 && gasPrice < 1_002_000_000, "next base fee plus the tip");
  chain.grow();
  const history = await result("eth_feeHistory", ["0x2", "latest", [0, 100]]);
  t.match(history, {
    oldestBlock: "0x1",
    baseFeePerGas: ["0x3b9aca00", "0x3b9aca00", String],
    gasUsedRatio: [140_000 / 60_000_000, Number],
    reward: [
      [toQuantity(2_000_000), "0x3b9aca00"],
      ["0x0", "0x0"],
    ],
  });
  t.match(await result("eth_feeHistory", [5000, "0x1", null]), { oldestBlock: "0x0" });
  for (const percentiles of [null, []]) {
    const withoutReward = await result("eth_feeHistory", ["0x1", "latest", percentiles]);
    t.notOk(Object.hasOwn(withoutReward as object, "reward"), JSON.stringify(percentiles));
  }
  t.same(await result("eth_feeHistory", ["0x0", "latest"]), {
    oldestBlock: "0x3",
    baseFeePerGas: [],
    gasUsedRatio: [],
    baseFeePerBlobGas: [],
    blobGasUsedRatio: [],
  });
  for (const percentiles of [[101], [-1], [50, 20], ["1"], Array.from({ length: 101 }, () => 1)])
    t.match(await call("eth_feeHistory", ["0x1", "latest", percentiles]), {
      error: { code: -32602, data: { parameter: /^rewardPercentiles/ } },
    });
});

t.test("the lanes of a block are shown as everybody can recompute them", async (t) => {
  const { chain, result } = await createFixture();
  const answer = await result("lane_block", ["latest"]);
  t.match(answer, {
    blockHash: chain.block.hash,
    policyHash: policy.hash,
    laneDataHash: /^0x[0-9a-f]{64}$/,
    signature: toHex(new Uint8Array(65).fill(1)),
    flashblocks: [{ txCount: 5, leaderEpoch: 1, orderHash: `0x${"0d".repeat(32)}` }],
    transactions: [
      { rank: 0, rule: 65535, class: null, accepted: "0x0", ready: "0x0" },
      { rank: 1, rule: 0, class: "oracle", accepted: "0x10000000000", ready: "0x10000000001" },
      { rank: 255, rule: 65535, class: null, accepted: "0x10000000002" },
      { rank: 255 },
      { rank: 255, ready: "0x10000000007" },
    ],
  });
  t.match(await result("lane_block", [chain.block.hash]), { blockNumber: "0x1" });
  t.equal(await result("lane_block", ["0x77"]), null);
  t.same(await result("lane_policy"), { hash: policy.hash, document: POLICY_JSON });
  t.match(await result("lane_status"), { role: "sequencer", peers: 2 });
});
