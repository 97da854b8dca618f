import t from "tap";
import { tipsAtPercentiles } from "../../rpc/fees.ts";
import { createFakeChain } from "./fixture-chain.ts";

t.test("tips are weighted by the gas they paid for", async (t) => {
  const { block, reader } = await createFakeChain();
  const receipts = reader.chain.receipts(1)!;
  const { baseFeePerGas, gasUsed } = block.header;
  t.equal(gasUsed, 140_000n);
  // Twice 25,000 gas at 2,000,000 wei, twice 25,000 at the base fee; the deposit's 40,000 do not
  // count.
  const tips = tipsAtPercentiles(receipts, block.header, [0, 28, 50, 51, 100]);
  t.same(tips, [2_000_000n, 2_000_000n, 2_000_000n, baseFeePerGas, baseFeePerGas]);
  t.same(tipsAtPercentiles(receipts.slice(0, 1), block.header, [50]), [0n], "a deposit only");
  t.same(tipsAtPercentiles([], block.header, [50]), [0n]);
});
