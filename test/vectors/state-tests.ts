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
import { createMachine, type Machine } from "../../node/execution/embedded/evm.ts";
import type { BlockContext } from "../../node/execution/embedded/rules.ts";
import { createWorkingState } from "../../node/execution/embedded/state.ts";
import { computeRoots, diffToSlice } from "../../node/execution/embedded/state-trie.ts";
import { applyTransaction } from "../../node/execution/embedded/transition.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../node/primitives/header.ts";
import type { Log } from "../../node/primitives/receipt.ts";
import { recoverSender } from "../../node/primitives/signature.ts";
import { decodeTransaction, type UserTransaction } from "../../node/primitives/transaction.ts";
import { type AccountChange, EMPTY_CODE_HASH } from "../../node/storage/state.ts";
import { createMemoryState, type MemoryState } from "../execution/fixtures/state.ts";
import {
  type BlobTransaction,
  BLOB_TYPE,
  decodeBlobTransaction,
  payForBlobs,
} from "./blob-transaction.ts";
import { BLOB_BASE_FEE_UPDATE_FRACTION, CANCUN, CHAIN_ID, SKIP, testBlockHash } from "./cancun.ts";
import { type Case, compare, every, failed, type Outcome, PASSED, skipped } from "./outcome.ts";
import { hasMembers, hexOf, integerOf } from "./shape.ts";
import { type Indexes, signedBytes, type TransactionSection } from "./transaction-section.ts";

interface TestAccount {
  readonly balance?: string;
  readonly nonce?: string;
  readonly code?: string;
  readonly storage?: Readonly<Record<string, string>>;
}

interface TestPost {
  readonly hash: Hex;
  readonly logs: Hex;
  readonly txbytes?: string;
  /** A name, or several. */
  readonly expectException?: unknown;
  readonly indexes: Indexes;
}

interface StateTest {
  readonly env: {
    readonly currentBaseFee?: string;
    readonly currentCoinbase: string;
    readonly currentDifficulty?: string;
    readonly currentExcessBlobGas?: string;
    readonly currentGasLimit: string;
    readonly currentNumber: string;
    readonly currentRandom?: string;
    readonly currentTimestamp: string;
  };
  readonly config?: { readonly chainid?: string };
  readonly pre: Readonly<Record<string, TestAccount>>;
  readonly post: Readonly<Record<string, readonly TestPost[]>>;
  readonly transaction?: TransactionSection;
}

export function isStateTest(test: unknown): test is StateTest {
  return hasMembers(test, "env", "pre", "post") && !Array.isArray((test as StateTest).post);
}

const FORK = "Cancun";
const BLOBS_MAX = 6;
/** Where a test names none: what geth takes, and with it the makers of the tests. */
const BASE_FEE_DEFAULT = "0x0a";

/** Every case of one test, in the file's order. */
export function* stateCases(name: string, test: StateTest): Generator<Case, void> {
  const posts = test.post[FORK] ?? [];
  if (posts.length === 0) {
    yield { name, run: () => skipped(SKIP.fork) };
    return;
  }
  // Made at the first case that runs; kept for the others.
  let base: MemoryState | null = null;
  for (const post of posts) {
    const { data, gas, value } = post.indexes;
    yield {
      name: `${name} data ${data} gas ${gas} value ${value}`,
      run() {
        base ??= committedState(test.pre);
        return runPost(base, test, post);
      },
    };
  }
}

/** The state before the test, committed as a block would be. */
function committedState(pre: StateTest["pre"]): MemoryState {
  const codes = new Map<Hex, Uint8Array>();
  const changes = Object.entries(pre).map(([address, account]) =>
    accountChange(hexOf(address), account, codes),
  );
  const slice = diffToSlice({ accounts: changes, codes: [] });
  const { storageRoots, nodes } = computeRoots(slice, { node: () => null });
  const accounts = changes.map((change) => {
    const storageRoot = storageRoots.get(change.address) ?? EMPTY_TRIE_ROOT;
    return { ...change, after: { ...change.after, storageRoot } };
  });
  const memory = createMemoryState();
  const list = [...codes].map(([hash, code]) => ({ hash, code }));
  memory.commit({ diff: { accounts, codes: list }, trie: nodes });
  return memory;
}

type NewAccount = AccountChange & { readonly after: NonNullable<AccountChange["after"]> };

function accountChange(
  address: Hex,
  account: TestAccount,
  codes: Map<Hex, Uint8Array>,
): NewAccount {
  const code = fromHex(hexOf(account.code ?? "0x"));
  const codeHash = code.length === 0 ? EMPTY_CODE_HASH : keccakHex(code);
  if (code.length > 0) codes.set(codeHash, code);
  const slots = Object.entries(account.storage ?? {})
    .map(([slot, value]) => ({
      slot: toHex(bigintToBytes(integerOf(slot), 32)),
      before: 0n,
      after: integerOf(value),
    }))
    .filter(({ after }) => after !== 0n);
  const after = {
    nonce: integerOf(account.nonce ?? "0x"),
    balance: integerOf(account.balance ?? "0x"),
    codeHash,
    storageRoot: EMPTY_TRIE_ROOT,
  };
  return { address, before: null, after, storageCleared: false, slots };
}

function contextOf(env: StateTest["env"]): BlockContext {
  const number = Number(env.currentNumber);
  const random = integerOf(env.currentRandom ?? env.currentDifficulty ?? "0x");
  return {
    number,
    timestamp: Number(env.currentTimestamp),
    gasLimit: integerOf(env.currentGasLimit),
    baseFee: integerOf(env.currentBaseFee ?? BASE_FEE_DEFAULT),
    blobBaseFee: blobBaseFee(
      integerOf(env.currentExcessBlobGas ?? "0x"),
      BLOB_BASE_FEE_UPDATE_FRACTION,
    ),
    beneficiary: hexOf(env.currentCoinbase),
    prevRandao: toHex(bigintToBytes(random, 32)),
    parentHash: testBlockHash(number - 1),
  };
}

async function runPost(base: MemoryState, test: StateTest, post: TestPost): Promise<Outcome> {
  const { env, config, transaction } = test;
  if (Number(env.currentNumber) > Number.MAX_SAFE_INTEGER) return skipped(SKIP.number);
  if (Number(env.currentTimestamp) > Number.MAX_SAFE_INTEGER) return skipped(SKIP.number);
  const chainId = Number(config?.chainid ?? CHAIN_ID);
  const raw =
    post.txbytes !== undefined
      ? fromHex(hexOf(post.txbytes))
      : transaction && signedBytes(transaction, post.indexes, chainId);
  if (raw === null || raw === undefined) return skipped(SKIP.unsigned);
  const { state: committed, trie } = base;
  const state = createWorkingState(createCachedReader(committed));
  const machine = await createMachine(chainId, state, contextOf(env), CANCUN);
  const result = await execute(machine, raw);
  if (result.refusal === "TX_TOO_LARGE") return skipped(SKIP.size);
  const { stateRoot } = computeRoots(diffToSlice(state.diff()), trie);
  return every(
    verdict(result.refusal, post.expectException),
    compare("logs", logsHash(result.logs), post.logs),
    compare("state root", stateRoot, post.hash),
  );
}

interface Executed {
  /** Why it was refused; `null` where it was not. */
  readonly refusal: string | null;
  readonly logs: readonly Log[];
}

const refused = (refusal: string): Executed => ({ refusal, logs: [] });

async function execute(machine: Machine, raw: Uint8Array): Promise<Executed> {
  if (raw[0] === BLOB_TYPE) {
    const blobs = decodeBlobTransaction(raw, BLOBS_MAX);
    return typeof blobs === "string" ? refused(blobs) : executeBlobs(machine, blobs);
  }
  const decoded = decodeTransaction(raw);
  if (!decoded.ok) return refused(decoded.code);
  const sender = recoverSender(decoded.value);
  if (sender === null) return refused("TX_SIGNATURE_INVALID");
  return apply(machine, { ...decoded.value, sender });
}

async function executeBlobs(machine: Machine, blobs: BlobTransaction): Promise<Executed> {
  const giveBack = payForBlobs(machine, blobs);
  if (typeof giveBack === "string") return refused(giveBack);
  const result = await apply(machine, blobs.transaction);
  if (result.refusal !== null) giveBack();
  return result;
}

async function apply(machine: Machine, transaction: UserTransaction): Promise<Executed> {
  const result = await applyTransaction({ machine, gasUsed: 0n, fees: null }, transaction);
  return result.ok ? { refusal: null, logs: result.receipt.logs } : refused(result.code);
}

function verdict(refusal: string | null, exception: unknown): Outcome {
  if (refusal !== null) return exception === undefined ? failed(`rejected: ${refusal}`) : PASSED;
  return exception === undefined
    ? PASSED
    : failed(`accepted; expected ${JSON.stringify(exception)}`);
}

function logsHash(logs: readonly Log[]): Hex {
  return keccakHex(
    RLP.encode(logs.map(({ address, topics, data }) => [address, [...topics], data])),
  );
}
