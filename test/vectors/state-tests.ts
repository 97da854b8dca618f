/**
 * GeneralStateTests: one transaction on a given state, through the decoder, the transition, the
 * working state and the tries. Owns the reading of the test's shape; the state root after the
 * transaction and the hash of its logs must be the given ones, and what must be refused must leave
 * the state as it was.
 */
import { RLP } from "@ethereumjs/rlp";
import { bigintToBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { blobBaseFee } from "../../node/chain/attributes.ts";
import { createCachedReader } from "../../node/execution/embedded/cached-reader.ts";
import { createMachine } from "../../node/execution/embedded/evm.ts";
import type { BlockContext } from "../../node/execution/embedded/rules.ts";
import { createWorkingState, EMPTY_CODE_HASH } from "../../node/execution/embedded/state.ts";
import { computeRoots, diffToSlice } from "../../node/execution/embedded/state-trie.ts";
import { applyTransaction } from "../../node/execution/embedded/transition.ts";
import type { ApplyResult } from "../../node/execution/engine.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../node/primitives/header.ts";
import type { Log } from "../../node/primitives/receipt.ts";
import { recoverSender } from "../../node/primitives/signature.ts";
import { decodeTransaction } from "../../node/primitives/transaction.ts";
import type { AccountChange } from "../../node/storage/state.ts";
import { createMemoryState, type MemoryState } from "../execution/fixtures/state.ts";
import {
  BLOB_BASE_FEE_UPDATE_FRACTION,
  BLOB_TYPE,
  CANCUN,
  CHAIN_ID,
  SKIP,
  testBlockHash,
} from "./cancun.ts";
import { compare, every, failed, type Outcome, PASSED, skipped } from "./outcome.ts";

interface TestAccount {
  readonly balance: Hex;
  readonly nonce: Hex;
  readonly code: Hex;
  readonly storage: Readonly<Record<Hex, Hex>>;
}

interface TestPost {
  readonly hash: Hex;
  readonly logs: Hex;
  readonly txbytes: Hex;
  readonly expectException?: string;
  readonly indexes: { readonly data: number; readonly gas: number; readonly value: number };
}

export interface StateTest {
  readonly env: {
    readonly currentBaseFee: Hex;
    readonly currentCoinbase: Hex;
    readonly currentExcessBlobGas?: Hex;
    readonly currentGasLimit: Hex;
    readonly currentNumber: Hex;
    readonly currentRandom: Hex;
    readonly currentTimestamp: Hex;
  };
  readonly pre: Readonly<Record<Hex, TestAccount>>;
  readonly post: Readonly<Record<string, readonly TestPost[]>>;
}

const FORK = "Cancun";

/** Tests that this engine would take hours for, by name. */
const SLOW: ReadonlyMap<string, string> = new Map([
  ["CALLBlake2f_MaxRounds", "4,294,967,295 rounds of BLAKE2b in JavaScript: hours"],
]);

/** Every case of one test, in the file's order. */
export async function runStateTest(
  name: string,
  test: StateTest,
): Promise<{ name: string; outcome: Outcome }[]> {
  const posts = test.post[FORK] ?? [];
  if (posts.length === 0) return [{ name, outcome: skipped(SKIP.fork) }];
  const slow = SLOW.get(name);
  if (slow !== undefined) return posts.map(() => ({ name, outcome: skipped(slow) }));
  const base = committedState(test.pre);
  const results: { name: string; outcome: Outcome }[] = [];
  for (const post of posts) {
    const { data, gas, value } = post.indexes;
    const outcome = await runCase(base, test, post);
    results.push({ name: `${name} data ${data} gas ${gas} value ${value}`, outcome });
  }
  return results;
}

interface Base {
  readonly memory: MemoryState;
  readonly stateRoot: Hex;
}

/** The state before the test, committed as a block would be. */
function committedState(pre: StateTest["pre"]): Base {
  const codes = new Map<Hex, Uint8Array>();
  const changes = Object.entries(pre).map(([address, account]) =>
    accountChange(address.toLowerCase() as Hex, account, codes),
  );
  const slice = diffToSlice({ accounts: changes, codes: [] });
  const { stateRoot, storageRoots, nodes } = computeRoots(slice, { node: () => null });
  const accounts = changes.map((change) => {
    const storageRoot = storageRoots.get(change.address) ?? EMPTY_TRIE_ROOT;
    return { ...change, after: { ...change.after, storageRoot } };
  });
  const memory = createMemoryState();
  const list = [...codes].map(([hash, code]) => ({ hash, code }));
  memory.commit({ diff: { accounts, codes: list }, trie: nodes });
  return { memory, stateRoot };
}

type NewAccount = AccountChange & { readonly after: NonNullable<AccountChange["after"]> };

function accountChange(
  address: Hex,
  account: TestAccount,
  codes: Map<Hex, Uint8Array>,
): NewAccount {
  const code = fromHex(account.code);
  const codeHash = code.length === 0 ? EMPTY_CODE_HASH : keccakHex(code);
  if (code.length > 0) codes.set(codeHash, code);
  const slots = Object.entries(account.storage)
    .map(([slot, value]) => ({
      slot: toHex(bigintToBytes(integer(slot as Hex), 32)),
      before: 0n,
      after: integer(value),
    }))
    .filter(({ after }) => after !== 0n);
  const after = {
    nonce: integer(account.nonce),
    balance: integer(account.balance),
    codeHash,
    storageRoot: EMPTY_TRIE_ROOT,
  };
  return { address, before: null, after, storageCleared: false, slots };
}

/** The tests write zero as `0x`, `0x0` and `0x00`. */
function integer(hex: Hex): bigint {
  return hex === "0x" ? 0n : BigInt(hex);
}

function contextOf(env: StateTest["env"]): BlockContext {
  const number = Number(env.currentNumber);
  return {
    number,
    timestamp: Number(env.currentTimestamp),
    gasLimit: BigInt(env.currentGasLimit),
    baseFee: BigInt(env.currentBaseFee),
    blobBaseFee: blobBaseFee(
      BigInt(env.currentExcessBlobGas ?? "0x0"),
      BLOB_BASE_FEE_UPDATE_FRACTION,
    ),
    beneficiary: env.currentCoinbase,
    prevRandao: env.currentRandom,
    parentHash: testBlockHash(number - 1),
  };
}

async function runCase(base: Base, test: StateTest, post: TestPost): Promise<Outcome> {
  const raw = fromHex(post.txbytes);
  if (raw[0] === BLOB_TYPE) return skipped(SKIP.blob);
  const decoded = decodeTransaction(raw);
  const mustFail = post.expectException !== undefined;
  if (!decoded.ok) {
    if (mustFail) return compare("state root", base.stateRoot, post.hash);
    return decoded.code === "TX_TOO_LARGE" ? skipped(SKIP.size) : failed(decoded.code);
  }
  const sender = recoverSender(decoded.value);
  if (sender === null) return mustFail ? PASSED : failed("no sender");

  const { state: committed, trie } = base.memory;
  const state = createWorkingState(createCachedReader(committed));
  const machine = await createMachine(CHAIN_ID, state, contextOf(test.env), CANCUN);
  const progress = { machine, gasUsed: 0n, fees: null };
  const result = await applyTransaction(progress, { ...decoded.value, sender });
  const { stateRoot } = computeRoots(diffToSlice(state.diff()), trie);
  return every(
    verdict(result, post.expectException ?? null),
    compare("logs", logsHash(result.ok ? result.receipt.logs : []), post.logs),
    compare("state root", stateRoot, post.hash),
  );
}

function verdict(result: ApplyResult, exception: string | null): Outcome {
  if (!result.ok) return exception === null ? failed(`rejected: ${result.code}`) : PASSED;
  return exception === null ? PASSED : failed(`accepted; expected ${exception}`);
}

function logsHash(logs: readonly Log[]): Hex {
  return keccakHex(
    RLP.encode(logs.map(({ address, topics, data }) => [address, [...topics], data])),
  );
}
