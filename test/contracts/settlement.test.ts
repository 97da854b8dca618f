/** The Settlement contract on a real L1: what it accepts, and each reason it refuses. */
import t from "tap";
import {
  type Abi,
  BaseError,
  ContractFunctionRevertedError,
  decodeEventLog,
  hashTypedData,
  keccak256,
  toFunctionSelector,
  toHex as textToHex,
} from "viem";
import { fromHex, type Hex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { BATCH_TYPE, batchDigest, batchStructHash } from "../../lanes/signed.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { signDigest } from "../../node/primitives/signature.ts";
import {
  BATCH_POSTED_TOPIC,
  decodeBatchPosted,
  encodePostBatch,
  headerToAbi,
  payloadOfCalldata,
  SETTLEMENT_ABI,
} from "../../node/settlement/settlement-contract.ts";
import type { BatchHeader } from "../../node/settlement/settlement.ts";
import {
  ADMIN,
  deploySettlement,
  GUARDIAN,
  L1_CHAIN_ID,
  L2_CHAIN_ID,
  l1Client,
  PAYER,
  SEQUENCER_KEY,
  settlementConfig,
  startAnvil,
} from "../settlement/anvil.ts";

const { abi } = loadArtifact("Settlement");
const rpcUrl = await startAnvil((stop) => {
  t.teardown(stop);
});
const l1 = l1Client(rpcUrl);
const address = await deploySettlement(l1);
/** Reads a view of the contract. */
const read = (functionName: string, args: readonly unknown[] = []): Promise<unknown> =>
  l1.client.readContract({ address, abi, functionName, args });
const domain = { chainId: L2_CHAIN_ID, settlement: address, l1ChainId: L1_CHAIN_ID };
const payload = Uint8Array.of(1, 2, 3);

/** secp256k1's group order. */
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const HISTORY_CONTRACT: Hex = "0x0000f90827f1c53a10cb7a02335b175320002935";
/** Runtime code that forwards its calldata to the contract and passes reverts on. */
const FORWARDER: Hex = `0x363d3d373d3d363d3d73${address.slice(2)}5af13d600060003e602d573d6000fd5b3d6000f3`;
const FORWARDER_ADDRESS: Hex = `0x${"f0".repeat(20)}`;

async function goodHeader(): Promise<BatchHeader> {
  const [latest, index, previous, highest] = await Promise.all([
    l1.client.getBlock(),
    read("nextIndex") as Promise<bigint>,
    read("lastBatchHash") as Promise<Hex>,
    read("highestBlock") as Promise<bigint>,
  ]);
  const origin = await l1.client.getBlock({ blockNumber: latest.number - 1n });
  return {
    index: Number(index),
    previousBatchHash: previous,
    firstBlock: Number(highest) + 1,
    lastBlock: Number(highest) + 3,
    lastBlockHash: `0x${"01".repeat(32)}`,
    stateRoot: `0x${"02".repeat(32)}`,
    withdrawalRoot: `0x${"03".repeat(32)}`,
    flashRoot: `0x${"04".repeat(32)}`,
    laneStateHash: ZERO_HASH,
    firstOrigin: Number(origin.number),
    lastOriginNumber: Number(origin.number),
    lastOriginHash: origin.hash,
    delayedCount: 0,
    delayedAcc: ZERO_HASH,
    term: 1,
    payloadHash: keccakHex(payload),
  };
}

function sign(header: BatchHeader, key: Uint8Array = SEQUENCER_KEY): Uint8Array {
  return signDigest(batchDigest(domain, header), key);
}

/** Name of the custom error that the post reverts with; `null` where it passes. */
async function refusal(
  header: BatchHeader,
  options: { signature?: Uint8Array; payload?: Uint8Array; from?: Hex; to?: Hex } = {},
): Promise<string | null> {
  return revertName({
    address: options.to ?? address,
    functionName: "postBatch",
    args: [
      headerToAbi(header),
      toHex(options.signature ?? sign(header)),
      toHex(options.payload ?? payload),
    ],
    account: options.from ?? PAYER.address,
  });
}

async function revertName(call: {
  address?: Hex;
  functionName: string;
  args?: readonly unknown[];
  account: Hex;
}): Promise<string | null> {
  try {
    await l1.client.simulateContract({ address, abi: abi, args: [], ...call });
    return null;
  } catch (error) {
    const reverted =
      error instanceof BaseError
        ? error.walk((cause) => cause instanceof ContractFunctionRevertedError)
        : null;
    if (reverted instanceof ContractFunctionRevertedError)
      return reverted.data?.errorName ?? reverted.signature ?? "unknown";
    throw error;
  }
}

async function post(header: BatchHeader): Promise<Hex> {
  const data = encodePostBatch(header, sign(header), payload);
  return l1.wallet.sendTransaction({ to: address, data });
}

await l1.client.mine({ blocks: 300 });

t.test("TypeScript and Solidity agree on types, domain and ABI", async (t) => {
  t.equal(await read("BATCH_TYPEHASH"), keccak256(textToHex(BATCH_TYPE)));
  const header = await goodHeader();
  const fields = BATCH_TYPE.slice("Batch(".length, -1).split(",");
  const digest = hashTypedData({
    domain: {
      name: "Pricelane",
      version: "1",
      chainId: L2_CHAIN_ID,
      verifyingContract: address,
      salt: `0x${L1_CHAIN_ID.toString(16).padStart(64, "0")}`,
    },
    types: {
      Batch: fields.map((field) => ({
        type: field.split(" ")[0]!,
        name: field.split(" ")[1]!,
      })),
    },
    primaryType: "Batch",
    message: headerToAbi(header),
  });
  t.equal(toHex(batchDigest(domain, header)), digest);
  const compiled = new Set(abi.map(signature));
  for (const item of SETTLEMENT_ABI) t.ok(compiled.has(signature(item)), item.name);
});

/** Kind, name and types of an ABI item, without parameter names. */
function signature(item: Abi[number]): string {
  interface Parameter {
    readonly type: string;
    readonly indexed?: boolean;
    readonly components?: readonly Parameter[];
  }
  const types = (list: readonly Parameter[] = []): string =>
    `(${list.map((p) => `${p.type}${types(p.components)}${p.indexed === true ? "!" : ""}`).join()})`;
  const { inputs, outputs } = item as { inputs?: Parameter[]; outputs?: Parameter[] };
  return `${item.type} ${"name" in item ? item.name : ""}${types(inputs)}${types(outputs)}`;
}

t.test("each rule of a post refuses on its own", async (t) => {
  const good = await goodHeader();
  t.equal(await refusal(good), null);
  const cases: readonly [string, Partial<BatchHeader>][] = [
    ["WrongIndex", { index: good.index + 1 }],
    ["WrongPreviousBatch", { previousBatchHash: `0x${"09".repeat(32)}` }],
    ["EmptyRange", { lastBlock: good.firstBlock - 1 }],
    ["EmptyRange", { firstBlock: 0 }],
    ["TooManyBlocks", { lastBlock: good.firstBlock + 4096 }],
    ["BlockGap", { firstBlock: good.firstBlock + 1 }],
    ["WrongOriginRange", { firstOrigin: good.lastOriginNumber + 1 }],
    ["OriginNotCanonical", { lastOriginHash: `0x${"05".repeat(32)}` }],
    ["OriginNotCanonical", { lastOriginNumber: good.lastOriginNumber + 1_000_000 }],
    ["WrongAccumulator", { delayedCount: 1 }],
    ["WrongAccumulator", { delayedAcc: `0x${"06".repeat(32)}` }],
    ["UnknownTerm", { term: 2 }],
    ["WrongPayloadHash", { payloadHash: `0x${"07".repeat(32)}` }],
  ];
  for (const [expected, change] of cases)
    t.equal(await refusal({ ...good, ...change }), expected, JSON.stringify(change));
  t.equal(await refusal(good, { payload: Uint8Array.of(1, 2) }), "WrongPayloadHash");
  t.equal(await refusal(good, { payload: new Uint8Array(0) }), "NoPayload");
});

t.test("only the key of the term signs, in one form", async (t) => {
  const good = await goodHeader();
  const signature = sign(good);
  const stranger = sign(good, new Uint8Array(32).fill(8));
  t.equal(await refusal(good, { signature: stranger }), "WrongSigner");
  const tampered: BatchHeader = { ...good, stateRoot: `0x${"0a".repeat(32)}` };
  t.equal(await refusal(tampered, { signature }), "WrongSigner");
  const foreign = signDigest(batchDigest({ ...domain, chainId: 902 }, good), SEQUENCER_KEY);
  t.equal(await refusal(good, { signature: foreign }), "WrongSigner");
  const otherL1 = signDigest(batchDigest({ ...domain, l1ChainId: 1 }, good), SEQUENCER_KEY);
  t.equal(await refusal(good, { signature: otherL1 }), "WrongSigner");

  const s = BigInt(toHex(signature.subarray(32, 64)));
  const highS = Uint8Array.from([
    ...signature.subarray(0, 32),
    ...fromHex(`0x${(N - s).toString(16).padStart(64, "0")}`),
    signature[64] === 27 ? 28 : 27,
  ]);
  t.equal(await refusal(good, { signature: highS }), "ECDSAInvalidSignatureS");
  t.equal(
    await refusal(good, { signature: signature.subarray(0, 64) }),
    "ECDSAInvalidSignatureLength",
  );
  t.equal(await refusal(good, { signature: new Uint8Array(65) }), "ECDSAInvalidSignature");
});

t.test("a calldata payload is the transaction's own calldata", async (t) => {
  const good = await goodHeader();
  await l1.client.setCode({ address: FORWARDER_ADDRESS, bytecode: FORWARDER });
  t.equal(await refusal(good, { to: FORWARDER_ADDRESS }), "PayloadNotInTransaction");

  // EIP-7702: the account's delegate calls with msg.sender == tx.origin, from inside.
  const delegation: Hex = `0xef0100${FORWARDER_ADDRESS.slice(2)}`;
  await l1.client.setCode({ address: PAYER.address, bytecode: delegation });
  t.equal(await refusal(good, { to: PAYER.address }), "PayloadNotInTransaction");
  await l1.client.setCode({ address: PAYER.address, bytecode: "0x" });
  t.equal(await refusal(good), null);
});

t.test("old origins are asked from EIP-2935's contract", async (t) => {
  const { number: latest } = await l1.client.getBlock();
  const good = await goodHeader();
  const old = await l1.client.getBlock({ blockNumber: latest - 280n });
  const header = {
    ...good,
    firstOrigin: 1,
    lastOriginNumber: Number(old.number),
    lastOriginHash: old.hash,
  };
  t.equal(await refusal(header), null);
  t.equal(await refusal({ ...header, lastOriginHash: good.lastOriginHash }), "OriginNotCanonical");
  const code = await l1.client.getCode({ address: HISTORY_CONTRACT });
  await l1.client.setCode({ address: HISTORY_CONTRACT, bytecode: "0x" });
  t.equal(await refusal(header), "OriginNotCanonical", "no history, no post");
  await l1.client.setCode({ address: HISTORY_CONTRACT, bytecode: code! });
});

t.test("a posted batch is recorded, announced, and claims an output", async (t) => {
  const header = await goodHeader();
  const receipt = await l1.client.waitForTransactionReceipt({
    hash: await post(header),
    pollingInterval: 50,
  });
  t.equal(receipt.status, "success");
  const log = receipt.logs.find(({ topics }) => topics[0] === BATCH_POSTED_TOPIC)!;
  const posted = decodeBatchPosted(log.topics, log.data)!;
  t.same(posted.header, header);
  t.equal(posted.batchHash, batchStructHash(header));
  t.same(posted.blobHashes, []);
  const { args } = decodeEventLog({ abi: SETTLEMENT_ABI, eventName: "BatchPosted", ...log });
  t.equal(args.signature, toHex(sign(header)));
  const tampered = log.data.replace("02".repeat(32), "05".repeat(32)) as Hex;
  t.not(tampered, log.data);
  t.equal(decodeBatchPosted(log.topics, tampered), null, "a log that contradicts its hash");

  t.equal(await read("nextIndex"), BigInt(header.index + 1));
  t.equal(await read("lastBatchHash"), batchStructHash(header));
  t.equal(await read("batchHashes", [BigInt(header.index)]), batchStructHash(header));
  t.match(await read("claim", [BigInt(header.index)]), {
    lastBlockHash: header.lastBlockHash,
    stateRoot: header.stateRoot,
    withdrawalRoot: header.withdrawalRoot,
    lastBlock: BigInt(header.lastBlock),
    deleted: false,
  });
  t.equal(await refusal(header), "WrongIndex", "a batch is posted once");

  const tx = await l1.client.getTransaction({ hash: receipt.transactionHash });
  t.same(payloadOfCalldata(fromHex(tx.input)), payload);
});

t.test("a range may be posted again, a gap may not", async (t) => {
  const next = await goodHeader();
  const again = { ...next, firstBlock: 1, lastBlock: 2 };
  t.equal(await refusal(again), null);
  await l1.client.waitForTransactionReceipt({ hash: await post(again), pollingInterval: 50 });
  const after = await goodHeader();
  t.equal(after.firstBlock, next.firstBlock, "the highest block does not fall");
  t.equal(await refusal({ ...after, firstBlock: after.firstBlock + 1 }), "BlockGap");
});

t.test(
  "claims finalize after the challenge window, unless the guardian deletes them",
  async (t) => {
    const [two, one] = [1n, 0n];
    t.equal(
      await revertName({ functionName: "latestFinalized", account: PAYER.address }),
      "NoClaim",
    );
    const remove = (index: bigint, account: Hex) =>
      revertName({ functionName: "deleteClaim", args: [index], account });
    t.equal(await remove(two, PAYER.address), "AccessControlUnauthorizedAccount");
    t.equal(await remove(9n, GUARDIAN.address), "NoClaim");
    await l1.wallet.writeContract({
      address,
      abi,
      functionName: "deleteClaim",
      args: [two],
      account: GUARDIAN,
    });
    await l1.client.mine({ blocks: 1 });
    t.equal(await remove(two, GUARDIAN.address), "NoClaim", "once");

    const window = Number(settlementConfig.challengeWindow);
    const { postedAt } = (await read("claim", [one])) as { postedAt: bigint };
    await l1.client.setNextBlockTimestamp({ timestamp: postedAt + BigInt(window) - 1n });
    await l1.client.mine({ blocks: 1 });
    t.equal(await read("isFinalized", [one]), false, "one second early");
    await l1.client.mine({ blocks: 1, interval: 2 * window });
    await l1.client.increaseTime({ seconds: 2 * window });
    await l1.client.mine({ blocks: 1 });
    t.equal(await read("isFinalized", [one]), true);
    t.equal(await read("isFinalized", [two]), false, "deleted");
    const [index] = (await read("latestFinalized")) as [bigint, unknown];
    t.equal(index, one, "past the deleted one");
    t.equal(await remove(one, GUARDIAN.address), "ClaimFinal");
    t.equal((await read("batchHashes", [two])) !== ZERO_HASH, true, "the batch itself stays");
  },
);

t.test("the guardian pauses, the admin resumes", async (t) => {
  const act = (functionName: string, account: typeof ADMIN) =>
    l1.wallet.writeContract({ address, abi, functionName, account });
  t.equal(
    await revertName({ functionName: "pause", account: PAYER.address }),
    "AccessControlUnauthorizedAccount",
  );
  await act("pause", GUARDIAN);
  await l1.client.mine({ blocks: 1 });
  t.equal(await refusal(await goodHeader()), "EnforcedPause");
  t.equal(
    await revertName({ functionName: "unpause", account: GUARDIAN.address }),
    "AccessControlUnauthorizedAccount",
  );
  await act("unpause", ADMIN);
  await l1.client.mine({ blocks: 1 });
  t.equal(await refusal(await goodHeader()), null);
});

t.test("an impossible configuration is not deployed", async (t) => {
  const invalidConfig = new RegExp(toFunctionSelector("InvalidConfig()"));
  const bad = [{ sequencingWindow: 8001n }, { challengeWindow: 0n }, { genesisHash: ZERO_HASH }];
  for (const change of bad)
    await t.rejects(deploySettlement(l1, { ...settlementConfig, ...change }), invalidConfig);
});
