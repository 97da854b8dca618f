/**
 * Accounts of the genesis that stand where a contract will be created: with code, a nonce, a
 * balance or storage (EIP-684, EIP-7610). Owns the addresses, and who creates there.
 */
import { getContractAddress, keccak256 } from "viem";
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { addressHex, lower } from "./accounts.ts";
import { words } from "./actions.ts";
import { assemble } from "./assembler.ts";
import { addressOfContract } from "./contracts.ts";

const OBSTACLES = [
  { balance: "1", code: "0x00" },
  { nonce: 1 },
  { balance: "7" },
  { balance: "7", storage: { [ZERO_HASH]: `0x${"00".repeat(31)}05` } },
] as const;

/** What is to stand there: reads and writes a slot as it is created. */
export const INIT_CODE = assemble("0 SLOAD GAS 0 0 LOG2 9 0 SSTORE 1 0 RETURN");

/** One sender for each obstacle, whose first creation meets it. */
export const COLLIDERS: readonly Hex[] = OBSTACLES.map((_, index) =>
  addressHex(0xc0111de0n + BigInt(index)),
);

/** Salts by which the factory meets each obstacle. */
export const SALTS: readonly bigint[] = OBSTACLES.map((_, index) => 0xc0111de0n + BigInt(index));

/** The genesis accounts in the way, by address. */
export function collisionAlloc(): Record<Hex, (typeof OBSTACLES)[number]> {
  return Object.fromEntries(
    OBSTACLES.flatMap((obstacle, index) => {
      const byNonce = getContractAddress({ from: COLLIDERS[index] ?? "0x", nonce: 0n });
      const bySalt = getContractAddress({
        opcode: "CREATE2",
        from: addressOfContract("factory"),
        salt: words(SALTS[index] ?? 0n),
        bytecodeHash: keccak256(INIT_CODE),
      });
      return [byNonce, bySalt].map((address) => [lower(address), obstacle] as const);
    }),
  );
}
