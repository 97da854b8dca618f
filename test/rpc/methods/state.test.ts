import t from "tap";
import { ZERO_HASH } from "../../../lanes/bytes.ts";
import { CONTRACT, FEED, SENDER, TOPIC } from "../fixture-chain.ts";
import { createFixture } from "../fixture-client.ts";

const word = (value: number): string => `0x${value.toString(16).padStart(64, "0")}`;

t.test("proofs have geth's members, in its order, and its spellings", async (t) => {
  const { result } = await createFixture();
  const proof = await result("eth_getProof", [SENDER, ["0x00", word(7), "0x", "0xABC"], "latest"]);
  t.strictSame(proof, {
    address: SENDER,
    accountProof: ["0xc0", "0xc0"],
    balance: "0xde0b6b3a7640000",
    codeHash: `0x${"cd".repeat(32)}`,
    nonce: "0x4",
    storageHash: ZERO_HASH,
    storageProof: [
      { key: "0x0", value: "0x0", proof: ["0xc0"] },
      { key: word(7), value: "0x7", proof: ["0xc0"] },
      { key: "0x0", value: "0x0", proof: ["0xc0"] },
      { key: "0xabc", value: "0xabc", proof: ["0xc0"] },
    ],
  });
  t.same(Object.keys(proof as object), [
    ...["address", "accountProof", "balance", "codeHash", "nonce", "storageHash", "storageProof"],
  ]);
  t.match(await result("eth_getProof", [CONTRACT, []]), {
    balance: "0x0",
    codeHash: ZERO_HASH,
    nonce: "0x0",
    storageHash: ZERO_HASH,
    storageProof: [],
  });
});

t.test("proofs are bounded, and of blocks whose state is kept", async (t) => {
  const { result, call } = await createFixture();
  const keys = Array.from({ length: 1024 }, (_, i) => word(i));
  t.match(await result("eth_getProof", [SENDER, keys]), { storageProof: { length: 1024 } });
  const refused = (parameter: RegExp) => ({ error: { code: -32602, data: { parameter } } });
  t.match(await call("eth_getProof", [SENDER, [...keys, "0x0"]]), refused(/^storageKeys$/));
  for (const key of ["7", 7, null, `0x${"0".repeat(65)}`, "0xg"])
    t.match(await call("eth_getProof", [SENDER, [key]]), refused(/^storageKeys\[0\]$/));
  t.match(await call("eth_getProof", ["0x12", []]), refused(/^address$/));
  t.match(await call("eth_getProof", [SENDER, [], "earliest"]), {
    error: { code: -32001, data: { code: "STATE_NOT_AVAILABLE", oldest: 1 } },
  });
});

t.test("overrides reach the call", async (t) => {
  const { chain, result } = await createFixture();
  const accounts = {
    [FEED]: { balance: "0x5", nonce: "0x6", code: "0x00", stateDiff: { [TOPIC]: word(8) } },
    [CONTRACT.toUpperCase().replace("0X", "0x")]: { state: { [word(1)]: word(2) }, balance: null },
  };
  const block = {
    number: "0x10",
    time: "0x11",
    gasLimit: "0x12",
    feeRecipient: CONTRACT,
    prevRandao: TOPIC,
    baseFeePerGas: "0x13",
    blobBaseFee: "0x14",
  };
  const none = { balance: null, nonce: null, code: null };
  const expected = {
    accounts: [
      {
        address: FEED,
        balance: 5n,
        nonce: 6n,
        code: Uint8Array.of(0),
        storageReplaced: false,
        slots: [{ slot: TOPIC, value: 8n }],
      },
      { address: CONTRACT, ...none, storageReplaced: true, slots: [{ slot: word(1), value: 2n }] },
    ],
    block: {
      number: 16,
      timestamp: 17,
      gasLimit: 18n,
      beneficiary: CONTRACT,
      prevRandao: TOPIC,
      baseFee: 19n,
      blobBaseFee: 20n,
    },
  };
  await result("eth_call", [{ to: FEED }, "latest", accounts, block]);
  await result("eth_estimateGas", [{ to: FEED }, "latest", accounts, block]);
  const config = { tracer: "callTracer", stateOverrides: accounts, blockOverrides: block };
  await result("debug_traceCall", [{ to: FEED }, "latest", config]);
  for (const { overrides } of chain.calls) t.strictSame(overrides, expected);
  await result("eth_call", [{ to: FEED }, "latest", {}, null]);
  await result("eth_call", [{ to: FEED }, "latest", null, { time: "0x7" }]);
  t.strictSame(chain.calls[3]?.overrides, { accounts: [], block: null });
  const unset = { number: null, gasLimit: null, beneficiary: null, prevRandao: null };
  t.strictSame(chain.calls[4]?.overrides.block, {
    ...unset,
    timestamp: 7,
    baseFee: null,
    blobBaseFee: null,
  });
});

t.test("overrides that would be left out are refused", async (t) => {
  const { call } = await createFixture();
  const slots = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [word(i), word(1)]));
  const many = Object.fromEntries(
    Array.from({ length: 257 }, (_, i) => [`0x${i.toString(16).padStart(40, "0")}`, {}]),
  );
  const bad: readonly (readonly [accounts: unknown, block: unknown, parameter: RegExp])[] = [
    [[], null, /^overrides$/],
    [{ "0x12": {} }, null, /^overrides key$/],
    [{ [FEED]: "0x" }, null, /^overrides\[0x/],
    [{ [FEED]: { movePrecompileToAddress: CONTRACT } }, null, /\.movePrecompileToAddress$/],
    [{ [FEED]: { balance: 5 } }, null, /\.balance$/],
    [{ [FEED]: { state: {}, stateDiff: {} } }, null, /\.stateDiff$/],
    [{ [FEED]: { state: { "0x1": word(1) } } }, null, /\.state key$/],
    [{ [FEED]: { state: { [word(1)]: "0x1" } } }, null, /\.state\[0x/],
    [{ [FEED]: { code: "0x123" } }, null, /\.code$/],
    [{ [FEED]: { state: slots(4097) } }, null, /\.state$/],
    [{ [FEED]: { state: slots(3000) }, [CONTRACT]: { state: slots(3000) } }, null, /^overrides$/],
    [many, null, /^overrides$/],
    [{}, { withdrawals: [] }, /^blockOverrides\.withdrawals$/],
    [{}, { number: "16" }, /^blockOverrides\.number$/],
    [{}, { feeRecipient: "0x" }, /^blockOverrides\.feeRecipient$/],
  ];
  for (const [accounts, block, parameter] of bad)
    t.match(
      await call("eth_call", [{ to: FEED }, "latest", accounts, block]),
      { error: { code: -32602, data: { parameter } } },
      String(parameter),
    );
});
