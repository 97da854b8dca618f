/**
 * The rollup config: what every node of one chain must agree on. A JSON file made once (by
 * `pricelane devnet`, or by the operator) and never edited. Consensus: PROTOCOL 1, 6, 7.
 */
import { z } from "zod";
import type { Hex } from "../lanes/bytes.ts";
import type { SigningDomain } from "../lanes/signed.ts";

/** The term of the genesis config; later terms come with registrations on L1. */
export const GENESIS_TERM = 1;

const hexOf = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`), `expected 0x and ${2 * bytes} hex digits`)
    .transform((text) => text.toLowerCase() as Hex);
const hexBytes = z
  .string()
  .regex(/^0x([0-9a-fA-F]{2})*$/, "expected 0x and whole bytes of hex")
  .transform((text) => text.toLowerCase() as Hex);
const integer = z.int().nonnegative();
const wei = z
  .string()
  .regex(/^[0-9]+$/, "expected a decimal string")
  .transform((text) => BigInt(text));

const genesisAccount = z.strictObject({
  balance: wei.default(0n),
  nonce: integer.default(0),
  code: hexBytes.default("0x"),
  storage: z.record(hexOf(32), hexOf(32)).default({}),
});

export const rollupConfigSchema = z.strictObject({
  version: z.literal(1),
  chainId: integer,
  l1ChainId: integer,
  /** Settlement contract on L1: also the verifying contract of every signature. */
  settlement: hexOf(20),
  genesis: z.strictObject({
    /** Unix seconds; the genesis block's. */
    timestamp: integer,
    l1Origin: z.strictObject({ number: integer, hash: hexOf(32) }),
    gasLimit: wei,
    baseFee: wei,
    alloc: z.record(hexOf(20), genesisAccount),
  }),
  eip1559: z.strictObject({ denominator: z.int().positive(), elasticity: z.int().positive() }),
  /** What the L1 attributes carry (OP Stack Isthmus). */
  system: z.strictObject({
    batcher: hexOf(20),
    baseFeeScalar: integer,
    blobBaseFeeScalar: integer,
    operatorFeeScalar: integer,
    operatorFeeConstant: wei,
  }),
  /** Term 1: the sequencer key in force from genesis. */
  sequencer: hexOf(20),
  /** Policy 1: in force from genesis; the lanes' own validation reads it. */
  policy: z.looseObject({}),
  /** L1 blocks that an origin stays behind the L1 head. */
  originConfirmations: integer,
  /** L1 blocks. */
  sequencingWindow: z.int().positive().max(8000),
  /** Seconds. */
  challengeWindow: z.int().positive(),
  /**
   * L1 blobBaseFee denominators by activation time, ascending: EIP-4844's update fraction, changed
   * by forks (EIP-7892).
   */
  l1BlobSchedule: z
    .array(z.strictObject({ timestamp: integer, baseFeeUpdateFraction: z.int().positive() }))
    .min(1),
});

export type RollupConfig = z.output<typeof rollupConfigSchema>;
/** The file's own shape: what `pricelane devnet` writes. */
export type RollupConfigFile = z.input<typeof rollupConfigSchema>;

/** What every signature of this rollup's sequencer is bound to. */
export function signingDomain({ chainId, l1ChainId, settlement }: RollupConfig): SigningDomain {
  return { chainId, l1ChainId, settlement };
}
