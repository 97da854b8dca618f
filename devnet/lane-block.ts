/** `lane_block` as a client reads it: the lane order of one block. Owns nothing of its meaning. */
import { z } from "zod";
import type { Hex } from "../lanes/bytes.ts";
import { anyRequest, type LaneClient } from "../rpc/sdk/subscribing.ts";
import { DevnetError } from "./devnet-error.ts";

/** Rank of the first class of the devnet's policy. */
export const ORACLE_RANK = 1;

const quantity = z
  .string()
  .regex(/^0x[0-9a-f]+$/)
  .transform((text) => BigInt(text));
const hash = z
  .string()
  .regex(/^0x[0-9a-f]{64}$/)
  .transform((text) => text as Hex);

const laneBlockSchema = z.looseObject({
  blockHash: hash,
  flashblocks: z.array(
    z.looseObject({ txCount: z.int().nonnegative(), timestampMs: z.int().nonnegative() }),
  ),
  transactions: z.array(
    z.looseObject({ hash, rank: z.int().nonnegative(), accepted: quantity, ready: quantity }),
  ),
});

export interface LanePlace {
  readonly hash: Hex;
  /** Index of the flashblock in the block. */
  readonly flashblock: number;
  readonly rank: number;
  readonly accepted: bigint;
  readonly ready: bigint;
}

export interface LaneBlock {
  readonly hash: Hex;
  readonly flashblockCount: number;
  /** Of the last flashblock, Unix milliseconds; 0 for genesis, which has none. */
  readonly endMs: number;
  /** In block order. */
  readonly transactions: readonly LanePlace[];
}

/**
 * The lane order of the block at this height. Errors: `DevnetError` for an answer of another shape.
 */
export async function fetchLaneBlock(
  client: Pick<LaneClient, "request">,
  number: number,
): Promise<LaneBlock> {
  const params = [`0x${number.toString(16)}`];
  const answer = await anyRequest(client)({ method: "lane_block", params });
  const block = readLaneBlock(answer);
  if (block === null) throw new DevnetError(`lane_block ${number} answers in another shape`);
  return block;
}

/** `null` where the answer has another shape, or its flashblocks do not cover its transactions. */
export function readLaneBlock(answer: unknown): LaneBlock | null {
  const parsed = laneBlockSchema.safeParse(answer);
  if (!parsed.success) return null;
  const { blockHash, flashblocks, transactions } = parsed.data;
  const flashblockOf = flashblocks.flatMap(({ txCount }, index) =>
    Array.from({ length: txCount }, () => index),
  );
  if (flashblockOf.length !== transactions.length) return null;
  return {
    hash: blockHash,
    flashblockCount: flashblocks.length,
    endMs: flashblocks.at(-1)?.timestampMs ?? 0,
    transactions: transactions.map(({ hash, rank, accepted, ready }, index) => ({
      hash,
      flashblock: flashblockOf[index] ?? 0,
      rank,
      accepted,
      ready,
    })),
  };
}
