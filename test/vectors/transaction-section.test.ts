import t from "tap";
import { toHex } from "../../lanes/bytes.ts";
import { ALICE } from "../execution/fixtures/chain.ts";
import { signedBytes } from "./transaction-section.ts";

const SECTION = {
  data: ["0x", "0x1234"],
  gasLimit: ["0x5208", "0x0186a0"],
  value: ["0x00", "0x07"],
  nonce: "0x03",
  to: `0x${"70".repeat(20)}`,
  secretKey: `0x${"a1".repeat(32)}`,
};
const INDEXES = { data: 1, gas: 1, value: 1 };
const CHAIN_ID = 1;
const LIST = [{ address: `0x${"ac".repeat(20)}`, storageKeys: [`0x${"05".repeat(32)}`] }] as const;
const HASHES = [`0x01${"bb".repeat(31)}`] as const;

/** The same transaction from viem, which shares no code with ours. */
function reference(fields: Record<string, unknown>) {
  return ALICE.signTransaction({
    chainId: CHAIN_ID,
    nonce: 3,
    gas: 100_000n,
    to: SECTION.to,
    value: 7n,
    data: "0x1234",
    ...fields,
  } as Parameters<typeof ALICE.signTransaction>[0]);
}

t.test("a section is signed as viem signs the same transaction", async (t) => {
  const fees = { maxFeePerGas: "0x0a", maxPriorityFeePerGas: "0x02" };
  const viemFees = { maxFeePerGas: 10n, maxPriorityFeePerGas: 2n };
  const accessLists = [null, LIST];
  const signed = (fields: object): string =>
    toHex(signedBytes({ ...SECTION, ...fields }, INDEXES, CHAIN_ID) ?? new Uint8Array(0));
  t.equal(
    signed({ gasPrice: "0x0a", accessLists: [LIST, null] }),
    await reference({ type: "legacy", gasPrice: 10n, chainId: undefined }),
  );
  t.equal(
    signed({ gasPrice: "0x0a", accessLists }),
    await reference({ type: "eip2930", gasPrice: 10n, accessList: LIST }),
  );
  t.equal(
    signed({ ...fees, accessLists }),
    await reference({ type: "eip1559", ...viemFees, accessList: LIST }),
  );
  t.equal(
    signed({ ...fees, maxFeePerBlobGas: "0x05", blobVersionedHashes: HASHES }),
    await reference({
      type: "eip4844",
      ...viemFees,
      maxFeePerBlobGas: 5n,
      blobVersionedHashes: HASHES,
    }),
  );
});

t.test("without a key there is nothing to sign with", (t) => {
  const { secretKey, ...keyless } = SECTION;
  t.not(secretKey, undefined);
  t.equal(signedBytes({ ...keyless, gasPrice: "0x0a" }, INDEXES, CHAIN_ID), null);
  t.end();
});
