/**
 * The genesis file by which op-geth starts the same chain.
 *
 * Owns the translation: fork times, fee parameters, accounts in geth's spelling. The block is that
 * of `buildGenesis`: op-geth computes the same hash from this file, or they are two chains.
 * Source: op-geth core/genesis.go and params/config.go; PROTOCOL 6.
 */
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import { MESSAGE_PASSER } from "../primitives/predeploys.ts";
import type { RollupConfig } from "../rollup-config.ts";
import { buildGenesis } from "./genesis.ts";

interface GethAccount {
  readonly balance: Hex;
  readonly nonce?: Hex;
  readonly code?: Hex;
  readonly storage?: Readonly<Record<string, Hex>>;
}

/** The file's members; quantities are hex, as geth reads them. */
export interface GethGenesis {
  readonly config: Readonly<Record<string, unknown>>;
  readonly alloc: Readonly<Record<string, GethAccount>>;
  readonly nonce: Hex;
  readonly timestamp: Hex;
  readonly extraData: Hex;
  readonly gasLimit: Hex;
  readonly difficulty: Hex;
  readonly mixHash: Hex;
  readonly coinbase: Hex;
  readonly baseFeePerGas: Hex;
  readonly gasUsed: Hex;
  readonly number: Hex;
  readonly parentHash: Hex;
}

/** Forks by block number, all past at genesis. */
const BLOCK_FORKS = [
  "homesteadBlock",
  "eip150Block",
  "eip155Block",
  "eip158Block",
  "byzantiumBlock",
  "constantinopleBlock",
  "petersburgBlock",
  "istanbulBlock",
  "muirGlacierBlock",
  "berlinBlock",
  "londonBlock",
  "arrowGlacierBlock",
  "grayGlacierBlock",
  "mergeNetsplitBlock",
  "bedrockBlock",
];

/** Forks by time, Ethereum's and the OP Stack's. Osaka and Jovian, and what follows, stay unset. */
const TIME_FORKS = [
  "shanghaiTime",
  "cancunTime",
  "pragueTime",
  "regolithTime",
  "canyonTime",
  "ecotoneTime",
  "fjordTime",
  "graniteTime",
  "holoceneTime",
  "isthmusTime",
];

/**
 * The genesis file and the hash of its block.
 *
 * Errors: `CONFIG_INVALID` where the alloc has no message passer: without the account op-geth takes
 * zero for its storage root, and other clients the root of an empty trie.
 */
export function gethGenesis(rollup: RollupConfig): {
  readonly file: GethGenesis;
  readonly hash: Hex;
} {
  const { block, header, diff } = buildGenesis(rollup);
  // Only what exists: geth would keep an empty account of the file in its state.
  const existing = new Set(diff.accounts.map(({ address }) => address));
  if (!existing.has(MESSAGE_PASSER))
    throw new NodeError("CONFIG_INVALID", {
      key: `rollup.genesis.alloc.${MESSAGE_PASSER}`,
      expected: "an account with a nonce, a balance or code",
    });
  const accounts = Object.entries(rollup.genesis.alloc)
    .filter(([address]) => existing.has(address as Hex))
    .map(([address, account]) => [address, gethAccount(account)] as const);
  const file = {
    config: gethConfig(rollup),
    nonce: header.nonce,
    timestamp: quantity(header.timestamp),
    extraData: toHex(header.extraData),
    gasLimit: quantity(header.gasLimit),
    difficulty: quantity(header.difficulty),
    mixHash: header.prevRandao,
    coinbase: header.beneficiary,
    baseFeePerGas: quantity(header.baseFeePerGas),
    gasUsed: quantity(header.gasUsed),
    number: quantity(header.number),
    parentHash: header.parentHash,
    alloc: Object.fromEntries(accounts),
  };
  return { file, hash: block.hash };
}

function gethConfig({ chainId, eip1559 }: RollupConfig): Record<string, unknown> {
  const { denominator, elasticity } = eip1559;
  return {
    chainId,
    ...Object.fromEntries([...BLOCK_FORKS, ...TIME_FORKS].map((fork) => [fork, 0])),
    terminalTotalDifficulty: 0,
    optimism: {
      eip1559Elasticity: elasticity,
      eip1559Denominator: denominator,
      eip1559DenominatorCanyon: denominator,
    },
  };
}

function gethAccount(account: RollupConfig["genesis"]["alloc"][Hex]): GethAccount {
  const { balance, nonce, code, storage } = account;
  const slots = Object.entries(storage).filter(([, value]) => BigInt(value) !== 0n);
  return {
    balance: quantity(balance),
    ...(nonce === 0 ? {} : { nonce: quantity(nonce) }),
    ...(code === "0x" ? {} : { code }),
    ...(slots.length === 0 ? {} : { storage: Object.fromEntries(slots) }),
  };
}

const quantity = (value: bigint | number): Hex => `0x${value.toString(16)}`;
