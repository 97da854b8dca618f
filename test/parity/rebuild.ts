/**
 * Where the state parts, when op-geth refuses a block of ours: it builds a block of the same
 * transactions itself, and every account that ours changed is looked up in the state of its block.
 *
 * Does not see accounts that only its block changed.
 */
import { bigintToBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import type { ExecutedBlock } from "../../node/execution/engine.ts";
import type { AccountChange } from "../../node/storage/state.ts";
import { type JsonObject, quantity } from "../../rpc/codec.ts";
import type { OpGeth } from "./op-geth.ts";

/** Every difference between our state after the block and op-geth's, one line each. */
export async function stateDifferences(opGeth: OpGeth, executed: ExecutedBlock): Promise<string[]> {
  const block = await buildSame(opGeth, executed);
  if (block === null) return ["op-geth builds no block of these transactions"];
  const found: string[] = [];
  for (const change of executed.diff.accounts)
    found.push(...(await compare(opGeth, block, change)));
  return found;
}

/** Number of op-geth's own block of the same transactions, imported; `null` where it makes none. */
async function buildSame(opGeth: OpGeth, { block }: ExecutedBlock): Promise<Hex | null> {
  const { header, transactions } = block;
  const { parentHash, extraData } = header;
  const heads = (hash: string) => ({
    headBlockHash: hash,
    safeBlockHash: hash,
    finalizedBlockHash: hash,
  });
  const { payloadId } = (await opGeth.engine("engine_forkchoiceUpdatedV3", [
    heads(parentHash),
    {
      timestamp: quantity(header.timestamp),
      prevRandao: header.prevRandao,
      suggestedFeeRecipient: header.beneficiary,
      withdrawals: [],
      parentBeaconBlockRoot: header.parentBeaconBlockRoot,
      transactions: transactions.map(({ raw }) => toHex(raw)),
      noTxPool: true,
      gasLimit: quantity(header.gasLimit),
      eip1559Params: toHex(extraData.subarray(1)),
    },
  ])) as { payloadId: string | null };
  if (payloadId === null) return null;
  const { executionPayload } = (await opGeth.engine("engine_getPayloadV4", [payloadId])) as {
    executionPayload: JsonObject & { blockHash: string };
  };
  const { parentBeaconBlockRoot } = header;
  await opGeth.engine("engine_newPayloadV4", [executionPayload, [], parentBeaconBlockRoot, []]);
  await opGeth.engine("engine_forkchoiceUpdatedV3", [heads(executionPayload.blockHash), null]);
  return quantity(header.number);
}

async function compare(
  opGeth: OpGeth,
  block: Hex,
  { address, after, slots }: AccountChange,
): Promise<string[]> {
  const ask = async (method: string, ...params: unknown[]): Promise<bigint> =>
    BigInt((await opGeth.call(method, [address, ...params, block])) as string);
  const proof = (await opGeth.call("eth_getProof", [address, [], block])) as { codeHash: string };
  const pairs: [string, bigint, bigint][] = [
    ["nonce", after?.nonce ?? 0n, await ask("eth_getTransactionCount")],
    ["balance", after?.balance ?? 0n, await ask("eth_getBalance")],
    ["code hash", BigInt(after?.codeHash ?? "0x0"), BigInt(proof.codeHash)],
  ];
  for (const { slot, after: value } of slots)
    pairs.push([`slot ${slot}`, value, await ask("eth_getStorageAt", slot)]);
  return pairs
    .filter(([, here, there]) => here !== there)
    .map(([what, here, there]) => `${address} ${what}: ${show(here)} here, ${show(there)} there`);
}

function show(value: bigint): string {
  return value < 2n ** 64n ? String(value) : toHex(bigintToBytes(value, 32));
}
