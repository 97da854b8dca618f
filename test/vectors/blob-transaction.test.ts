import t from "tap";
import { fromHex, type Hex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { createCachedReader } from "../../node/execution/embedded/cached-reader.ts";
import { createMachine } from "../../node/execution/embedded/evm.ts";
import { createWorkingState } from "../../node/execution/embedded/state.ts";
import { applyTransaction } from "../../node/execution/embedded/transition.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { ALICE, lower } from "../execution/fixtures/chain.ts";
import { createMemoryState } from "../execution/fixtures/state.ts";
import { decodeBlobTransaction, payForBlobs } from "./blob-transaction.ts";
import { CANCUN, CHAIN_ID } from "./cancun.ts";
import { signedBytes } from "./transaction-section.ts";

const HASH = `0x01${"bb".repeat(31)}` as const;
const CONTRACT: Hex = `0x${"c0".repeat(20)}`;
const SENDER = lower(ALICE.address);
const GAS_PER_BLOB = 131_072n;
const BLOBS_MAX = 6;

async function signed(fields: Record<string, unknown> = {}): Promise<Uint8Array> {
  const raw = await ALICE.signTransaction({
    type: "eip4844",
    chainId: CHAIN_ID,
    nonce: 0,
    gas: 100_000n,
    maxFeePerGas: 10n,
    maxPriorityFeePerGas: 0n,
    maxFeePerBlobGas: 5n,
    blobVersionedHashes: [HASH, HASH],
    to: CONTRACT,
    ...fields,
  });
  return fromHex(raw);
}

t.test("a blob transaction is read with its sender and hashes", async (t) => {
  const raw = await signed();
  const blobs = decodeBlobTransaction(raw, BLOBS_MAX);
  if (typeof blobs === "string") throw new Error(blobs);
  t.equal(blobs.hash, keccakHex(raw));
  t.equal(blobs.sender, SENDER);
  t.equal(blobs.maxFeePerBlobGas, 5n);
  t.same(blobs.versionedHashes.map(toHex), [HASH, HASH]);
  t.match(blobs.transaction, { sender: SENDER, nonce: 0n, gasLimit: 100_000n, to: CONTRACT });
});

t.test("what EIP-4844 forbids is refused by its form", async (t) => {
  const raw = await signed();
  t.equal(decodeBlobTransaction(raw, 1), "BLOB_COUNT");
  // viem signs neither of these.
  const section = {
    data: ["0x"],
    gasLimit: ["0x5208"],
    value: ["0x"],
    nonce: "0x",
    to: "0x",
    secretKey: `0x${"a1".repeat(32)}`,
    maxFeePerGas: "0x0a",
    maxFeePerBlobGas: "0x05",
    blobVersionedHashes: [] as string[],
  };
  const refusal = (fields: object) => {
    const bytes = signedBytes({ ...section, ...fields }, { data: 0, gas: 0, value: 0 }, CHAIN_ID);
    return decodeBlobTransaction(bytes ?? new Uint8Array(0), BLOBS_MAX);
  };
  t.equal(refusal({ to: CONTRACT }), "BLOB_COUNT");
  t.equal(refusal({ blobVersionedHashes: [HASH] }), "BLOB_CREATION");
  const version = Buffer.from(raw).indexOf(Buffer.from(HASH.slice(2), "hex"));
  raw[version] = 2;
  t.equal(decodeBlobTransaction(raw, BLOBS_MAX), "BLOB_HASH");
  t.equal(decodeBlobTransaction(raw.subarray(0, -1), BLOBS_MAX), "TX_MALFORMED");
});

/** `sstore(0, blobhash(1))`, at a blob base fee of 3. */
async function machineWith(balance: bigint) {
  const state = createWorkingState(createCachedReader(createMemoryState().state));
  state.addBalance(SENDER, balance);
  state.setCode(CONTRACT, fromHex("0x60014960005500"));
  return createMachine(
    CHAIN_ID,
    state,
    {
      number: 1,
      timestamp: 1,
      gasLimit: 30_000_000n,
      baseFee: 10n,
      blobBaseFee: 3n,
      beneficiary: `0x${"be".repeat(20)}`,
      prevRandao: ZERO_HASH,
      parentHash: ZERO_HASH,
    },
    CANCUN,
  );
}

t.test("blobs cost their fee beside the gas, and BLOBHASH sees them", async (t) => {
  const blobs = decodeBlobTransaction(await signed(), BLOBS_MAX);
  if (typeof blobs === "string") throw new Error(blobs);
  const most = 100_000n * 10n + 2n * GAS_PER_BLOB * 5n;
  const machine = await machineWith(most);
  t.type(payForBlobs(machine, blobs), "function");
  const result = await applyTransaction({ machine, gasUsed: 0n, fees: null }, blobs.transaction);
  if (!result.ok) throw new Error(result.code);
  const paid = result.receipt.gasUsed * 10n + 2n * GAS_PER_BLOB * 3n;
  t.equal(machine.state.account(SENDER)?.balance, most - paid);
  t.equal(machine.state.slot(CONTRACT, ZERO_HASH), BigInt(HASH));

  t.equal(payForBlobs(await machineWith(most - 1n), blobs), "INSUFFICIENT_FUNDS");
  const cheap = { ...blobs, maxFeePerBlobGas: 2n };
  t.equal(payForBlobs(await machineWith(most), cheap), "BLOB_FEE_CAP_TOO_LOW");
});
