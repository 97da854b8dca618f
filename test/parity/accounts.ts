/** Keys of the parity chain. */
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { bigintToBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import { addressOfContract, CONTRACT_NAMES } from "./contracts.ts";
import type { Random } from "./random.ts";

/** Senders of the user transactions, funded in the genesis. */
export const SENDERS = accounts("a1", 8);
/** Accounts that sign authorizations and never transactions of their own. */
export const AUTHORITIES = accounts("b2", 4);

function accounts(prefix: string, count: number): PrivateKeyAccount[] {
  return Array.from({ length: count }, (_, index) =>
    privateKeyToAccount(`0x${prefix.repeat(31)}${(index + 1).toString(16).padStart(2, "0")}`),
  );
}

export function lower(address: string): Hex {
  return address.toLowerCase() as Hex;
}

export function addressHex(value: bigint): Hex {
  return toHex(bigintToBytes(value, 20));
}

/** An address worth asking about: contracts, delegated accounts, precompiles, vaults, nobody. */
export function someAddress(random: Random): bigint {
  switch (random.below(6)) {
    case 0:
      return BigInt(1 + random.below(0x12));
    case 1:
      return BigInt(random.below(2)) * 0x100n + 0xee00n + BigInt(random.below(16));
    case 2:
      return 0x4200000000000000000000000000000000000011n + BigInt(random.below(12));
    case 3:
      return BigInt(random.pick(random.oneIn(3) ? SENDERS : AUTHORITIES).address);
    default:
      return BigInt(addressOfContract(random.pick(CONTRACT_NAMES)));
  }
}
