/**
 * What transactions pay over the base fee: tips of past blocks, and a suggested tip.
 * Source: geth `eth/gasprice` for the shape of the history.
 */
import type { Hex } from "../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../lanes/transaction.ts";
import type { Header } from "../node/primitives/header.ts";
import type { Receipt } from "../node/primitives/receipt.ts";
import type { RpcContext } from "./context.ts";

/** Blocks whose tips are looked at. */
const SAMPLE_BLOCKS = 10;
const SAMPLE_PERCENTILE = 60;
/** wei per gas; op-geth's least suggestion. */
const TIP_MIN = 1_000_000n;

/** Deposits bid for nothing: their zeros would hide what a place in the block costs. */
const isUser = ({ type }: Receipt): boolean => type !== DEPOSIT_TYPE;

/** wei per gas that a transaction paid above the base fee. */
function tipOf(receipt: Receipt, baseFee: bigint): bigint {
  return receipt.effectiveGasPrice > baseFee ? receipt.effectiveGasPrice - baseFee : 0n;
}

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** Tips at the given percentiles (ascending, 0 to 100) of the gas that users' transactions used. */
export function tipsAtPercentiles(
  receipts: readonly Receipt[],
  header: Header,
  percentiles: readonly number[],
): bigint[] {
  const tips = receipts
    .filter(isUser)
    .map((receipt) => ({ tip: tipOf(receipt, header.baseFeePerGas), gasUsed: receipt.gasUsed }))
    .sort((a, b) => ascending(a.tip, b.tip));
  const gasUsed = Number(tips.reduce((total, entry) => total + entry.gasUsed, 0n));
  let index = 0;
  let sum = tips[0]?.gasUsed ?? 0n;
  return percentiles.map((percentile) => {
    const threshold = Math.floor((gasUsed * percentile) / 100);
    while (Number(sum) < threshold && index < tips.length - 1) sum += tips[++index]?.gasUsed ?? 0n;
    return tips[index]?.tip ?? 0n;
  });
}

/** A tip as recent transactions paid it; computed once a head. */
export function createTipOracle({ reader }: RpcContext): { suggest(): bigint } {
  const none: { readonly head: Hex | null; readonly tip: bigint } = { head: null, tip: TIP_MIN };
  let cached = none;
  return {
    suggest() {
      const head = reader.chain.heads().unsafe;
      if (cached.head === head.hash) return cached.tip;
      const tips: bigint[] = [];
      for (let n = head.number; n > Math.max(0, head.number - SAMPLE_BLOCKS); n--) {
        const header = reader.chain.headerByNumber(n)?.header;
        const receipts = header === undefined ? null : reader.chain.receipts(n);
        if (header === undefined || receipts === null) break;
        for (const receipt of receipts.filter(isUser))
          tips.push(tipOf(receipt, header.baseFeePerGas));
      }
      tips.sort(ascending);
      const sampled = tips[Math.floor(((tips.length - 1) * SAMPLE_PERCENTILE) / 100)] ?? TIP_MIN;
      const tip = sampled > TIP_MIN ? sampled : TIP_MIN;
      cached = { head: head.hash, tip };
      return tip;
    },
  };
}
