/**
 * Batches on L1 as anybody sees them: the contract's own event and the transaction that carries it.
 */
import { z } from "zod";
import type { Hex } from "../lanes/bytes.ts";
import { loadArtifact } from "../node/contracts/artifact.ts";
import type { Client } from "./chains.ts";

export interface PostedBatch {
  readonly index: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly l1Block: number;
  readonly transactionHash: Hex;
}

const eventSchema = z.object({
  index: z.bigint(),
  header: z.object({ firstBlock: z.bigint(), lastBlock: z.bigint() }),
});

/** Batches posted from this L1 block on, oldest first. */
export async function postedBatches(
  l1: Client,
  settlement: Hex,
  fromBlock: bigint,
): Promise<readonly PostedBatch[]> {
  const events = await l1.getContractEvents({
    address: settlement,
    abi: loadArtifact("Settlement").abi,
    eventName: "BatchPosted",
    fromBlock,
    toBlock: "latest",
  });
  return events.map((event) => {
    const { index, header } = eventSchema.parse(event.args);
    return {
      index: Number(index),
      firstBlock: Number(header.firstBlock),
      lastBlock: Number(header.lastBlock),
      l1Block: Number(event.blockNumber),
      transactionHash: event.transactionHash,
    };
  });
}
