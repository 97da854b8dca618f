/**
 * `eth_*` methods that read, prove or simulate on the state of a block, and the node's own view of
 * itself.
 */
import { type Hex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import type { AccountOverride, BlockOverrides } from "../../node/execution/call.ts";
import type { Proof } from "../../node/execution/proof.ts";
import type { BlockId } from "../../node/reader.ts";
import type { StateReader } from "../../node/storage/state.ts";
import { type CallArgs, callOutput, callParam, requestFor, valueOf } from "../call.ts";
import { type JsonObject, quantity, word } from "../codec.ts";
import { type RpcContext, txGasMax } from "../context.ts";
import { CALL_TIMEOUT_MS, PROOF_KEYS_MAX } from "../limits.ts";
import { method, type Methods, optional, type Param } from "../method.ts";
import { blockOverridesParam, overridesParam } from "../overrides.ts";
import { addressParam, blockParam, parseList, slotParam } from "../params.ts";

async function transactionCount(context: RpcContext, address: Hex, block: BlockId): Promise<Hex> {
  if (block.kind === "tag" && block.tag === "pending") {
    const next = await context.node.poolNonce(address);
    if (next !== null) return quantity(next);
  }
  const read = (state: StateReader): Hex => quantity(state.account(address)?.nonce ?? 0n);
  return context.reader.stateAt(block, read);
}

function code(state: StateReader, address: Hex): Hex {
  const account = state.account(address);
  return account === null ? "0x" : toHex(state.code(account.codeHash));
}

interface Pretence {
  readonly accounts: readonly AccountOverride[];
  readonly block: BlockOverrides | null;
}

async function call(
  { reader, rollup }: RpcContext,
  args: CallArgs,
  block: BlockId,
  overrides: Pretence,
): Promise<Hex> {
  const request = requestFor(args, rollup.chainId);
  const options = { overrides, timeoutMs: CALL_TIMEOUT_MS };
  return callOutput(valueOf(await reader.call(block, request, options)));
}

async function estimateGas(
  context: RpcContext,
  args: CallArgs,
  block: BlockId,
  overrides: Pretence,
): Promise<Hex> {
  const request = requestFor(args, context.rollup.chainId);
  // More than the pool takes is no use to anybody, and the search runs the call many times.
  const gasMax = txGasMax(context);
  const options = { overrides, timeoutMs: CALL_TIMEOUT_MS, gasMax };
  return quantity(valueOf(await context.reader.estimateGas(block, request, options)));
}

/** A storage key, and how the answer spells it: as given when whole, else without zeros. */
interface ProofKey {
  readonly slot: Hex;
  readonly spelling: Hex;
}

const WORD_CHARACTERS = 66;

const proofKeysParam: Param<readonly ProofKey[]> = {
  name: "storageKeys",
  parse: (value) =>
    parseList(value, PROOF_KEYS_MAX, "storageKeys", (entry, at) => {
      const slot = slotParam(at).parse(entry);
      if (!slot.ok) return slot;
      const isWhole = (entry as string).length === WORD_CHARACTERS;
      const spelling = isWhole ? slot.value : quantity(BigInt(slot.value));
      return { ok: true, value: { slot: slot.value, spelling } };
    }),
};

const proofToJson = (proof: Proof): readonly Hex[] => proof.map(toHex);

/** Hashes of an account that does not exist are zero, as in geth. */
async function getProof(
  { reader }: RpcContext,
  address: Hex,
  keys: readonly ProofKey[],
  block: BlockId,
): Promise<JsonObject> {
  const slots = keys.map(({ slot }) => slot);
  const { account, proof, storage } = await reader.proof(block, address, slots);
  return {
    address,
    accountProof: proofToJson(proof),
    balance: quantity(account?.balance ?? 0n),
    codeHash: account?.codeHash ?? ZERO_HASH,
    nonce: quantity(account?.nonce ?? 0n),
    storageHash: account?.storageRoot ?? ZERO_HASH,
    storageProof: storage.map((slot, i) => ({
      key: keys[i]?.spelling,
      value: quantity(slot.value),
      proof: proofToJson(slot.proof),
    })),
  };
}

export function createStateMethods(context: RpcContext): Methods {
  const { reader } = context;
  const address = addressParam("address");
  return {
    eth_getBalance: method([address, blockParam], ([of, block]) =>
      reader.stateAt(block, (state) => quantity(state.account(of)?.balance ?? 0n)),
    ),
    eth_getCode: method([address, blockParam], ([of, block]) =>
      reader.stateAt(block, (state) => code(state, of)),
    ),
    eth_getStorageAt: method([address, slotParam("slot"), blockParam], ([of, slot, block]) =>
      reader.stateAt(block, (state) => word(state.slot(of, slot))),
    ),
    eth_getTransactionCount: method([address, blockParam], ([of, block]) =>
      transactionCount(context, of, block),
    ),
    eth_getProof: method([address, optional(proofKeysParam, []), blockParam], ([of, keys, block]) =>
      getProof(context, of, keys, block),
    ),
    eth_call: method(
      [callParam, blockParam, overridesParam, blockOverridesParam],
      ([args, id, accounts, block]) => call(context, args, id, { accounts, block }),
    ),
    eth_estimateGas: method(
      [callParam, blockParam, overridesParam, blockOverridesParam],
      ([args, id, accounts, block]) => estimateGas(context, args, id, { accounts, block }),
    ),
    eth_accounts: method([], () => []),
    // Nothing here knows a height to catch up to: a follower serves what it has verified.
    eth_syncing: method([], () => false),
  };
}
