import t from "tap";
import { tipsAtPercentiles } from "../../rpc/fees.ts";
import { createFakeChain } from "./fixture-chain.ts";

t.test("tips are weighted by the gas they paid for", async (t) => {
  const { block, reader } = await createFakeChain();
  const receipts = reader.chain.receipts(1)!;
  const { baseFeePerGas, gasUsed } = block.header;
  t.equal(gasUsed, 140_000n);
  // 40,000 gas of the deposit without a tip, twice 25,000 at 2,000,000 wei, twice 25,000 at the
  // base fee.
  const tips = tipsAtPercentiles(receipts, block.header, [0, 28, 29, 60, 70, 100]);
  t.same(tips, [0n, 0n, 2_000_000n, 2_000_000n, baseFeePerGas, baseFeePerGas]);
  t.same(tipsAtPercentiles([], block.header, [50]), [0n]);
});
