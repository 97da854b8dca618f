/**
 * What a peer must know before it can run our blocks: the accounts that their transactions touch,
 * as they are in our state before the first of them.
 *
 * Peers get no more than that: one keeps everything in memory and hashes all of it for each block,
 * the other copies all of it at each call. A larger state would be their handicap, not their work.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { toHex } from "../../lanes/bytes.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { loopEntries } from "./loops.ts";
import { contractEntries, PLAIN_BALANCE, SENDER_BALANCE, TOKEN } from "./population.ts";
import type { AllocEntry } from "./state.ts";

/** A call that failed on the peer's side or used other gas than ours is a bug in one of the two. */
export interface PeerBlock {
  readonly gasUsed: bigint;
  readonly ms: number;
  /** Processor time, where the peer runs in this process. */
  readonly cpuMs: number | null;
}

/** The accounts and contracts of these transactions. `slots` is of the loop of cold reads. */
export function peerState(
  transactions: readonly UserTransaction[],
  contracts: readonly Hex[],
  slots: number,
): AllocEntry[] {
  const nonces = new Map<Hex, bigint>();
  for (const { sender, nonce } of transactions) if (!nonces.has(sender)) nonces.set(sender, nonce);
  const known = new Set<Hex>([...nonces.keys(), ...contracts]);
  const paid = new Set<Hex>();
  const owners = new Set<Hex>();
  for (const { to, value, data } of transactions) {
    if (to !== null && value > 0n && !known.has(to)) paid.add(to);
    if (to === TOKEN) owners.add(tokenRecipient(data));
  }
  const wanted = new Set(contracts);
  return [
    ...[...nonces].map(([address, nonce]) => ({ address, nonce, balance: SENDER_BALANCE })),
    ...[...paid].map((address) => ({ address, balance: PLAIN_BALANCE })),
    ...contractEntries([...nonces.keys()], [...owners], wanted),
    ...loopEntries(slots, wanted),
  ];
}

/** The first argument of `transfer(address,uint256)`. */
function tokenRecipient(data: Uint8Array): Hex {
  return toHex(data.subarray(16, 36));
}
