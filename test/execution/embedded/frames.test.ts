/**
 * Calls, frames and journal against the library's own EVM on a state manager of its own: contracts
 * that call, create and destroy each other end alike, in all that shows.
 */
import { createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM, type EVM, type EVMResult } from "@ethereumjs/evm";
import { createAccount } from "@ethereumjs/util";
import t, { type Test } from "tap";
import {
  bigintToMinimalBytes,
  bytesToBigint,
  fromHex,
  type Hex,
  toHex,
} from "../../../lanes/bytes.ts";
import { correctCreation } from "../../../node/execution/embedded/creation.ts";
import { addressOf, createMachine } from "../../../node/execution/embedded/evm.ts";
import { createWorkingState, EMPTY_ACCOUNT } from "../../../node/execution/embedded/state.ts";
import type { StateReader } from "../../../node/storage/state.ts";
import { createRandom } from "../../parity/random.ts";
import { SOME_BLOCK } from "../fixtures/block-context.ts";
import {
  CALLER,
  deepEpisode,
  type Episode,
  type EpisodeMessage,
  slotKey,
  someEpisode,
} from "../fixtures/call-episode.ts";
import { createMemoryState } from "../fixtures/state.ts";

/** Stands for the storage root of an account with slots. */
const SOME_ROOT: Hex = `0x${"11".repeat(32)}`;

/** An account's nonce, balance and code hash, and its slots that are not zero. */
type Accounts = Map<string, { readonly fields: string; readonly slots: Map<string, bigint> }>;

interface Player {
  readonly evm: EVM;
  accounts(): Accounts;
}

function seeded({ accounts }: Episode): StateReader {
  const memory = createMemoryState();
  const state = createWorkingState(memory.state);
  for (const { address, nonce, balance, code, slots } of accounts) {
    const storageRoot = slots.some((value) => value > 0n) ? SOME_ROOT : EMPTY_ACCOUNT.storageRoot;
    state.setAccount(address, { ...EMPTY_ACCOUNT, nonce, balance, storageRoot });
    if (code !== "0x") state.setCode(address, fromHex(code));
    for (const [index, value] of slots.entries())
      state.setSlot(address, slotKey(BigInt(index)), value);
  }
  memory.commit({ diff: state.diff(), trie: [] });
  return memory.state;
}

async function openOurs(episode: Episode): Promise<Player> {
  const below = seeded(episode);
  const state = createWorkingState(below);
  const { evm } = await createMachine(901, state, SOME_BLOCK);
  return {
    evm,
    accounts() {
      const { accounts } = state.diff();
      const addresses = new Set([
        ...accounts.map(({ address }) => address),
        ...episode.accounts.map(({ address }) => address),
      ]);
      const found: Accounts = new Map();
      for (const address of addresses) {
        const account = state.account(address);
        if (account === null) continue;
        const slots = new Map(
          below.slots(address).map(({ slot, value }) => [slot as string, value]),
        );
        for (const change of accounts.find((one) => one.address === address)?.slots ?? [])
          slots.set(change.slot, change.after);
        const fields = `${account.nonce} ${account.balance} ${account.codeHash}`;
        found.set(address, {
          fields,
          slots: new Map([...slots].filter(([, value]) => value > 0n).sort()),
        });
      }
      return found;
    },
  };
}

/** The library's state, where all of it can be seen. */
interface SimpleState {
  readonly accountStack: readonly Map<
    string,
    { nonce: bigint; balance: bigint; codeHash: Uint8Array } | undefined
  >[];
  readonly storageStack: readonly Map<string, Uint8Array>[];
}

async function openLibrary({ accounts }: Episode): Promise<Player> {
  const common = createCustomCommon({ chainId: 901 }, Mainnet, { hardfork: Hardfork.Prague });
  const evm = await createEVM({ common });
  correctCreation(evm);
  for (const { address, nonce, balance, code, slots } of accounts) {
    const key = addressOf(address);
    await evm.stateManager.putAccount(key, createAccount({ nonce, balance }));
    if (code !== "0x") await evm.stateManager.putCode(key, fromHex(code));
    for (const [index, value] of slots.entries())
      await evm.stateManager.putStorage(
        key,
        fromHex(slotKey(BigInt(index))),
        bigintToMinimalBytes(value),
      );
  }
  const state = evm.stateManager as unknown as SimpleState;
  return {
    evm,
    accounts() {
      const found: Accounts = new Map();
      for (const [address, account] of state.accountStack.at(-1) ?? []) {
        if (account === undefined) continue;
        const slots = [...(state.storageStack.at(-1) ?? [])]
          .filter(([key, value]) => key.startsWith(`${address}_`) && bytesToBigint(value) > 0n)
          .map(([key, value]) => [key.slice(address.length + 1), bytesToBigint(value)] as const)
          .sort();
        const fields = `${account.nonce} ${account.balance} ${toHex(account.codeHash)}`;
        found.set(address, { fields, slots: new Map(slots) });
      }
      return found;
    },
  };
}

const { block } = await createMachine(
  901,
  createWorkingState(createMemoryState().state),
  SOME_BLOCK,
);

/** Everything a message shows but the state. */
function shown({ execResult, createdAddress }: EVMResult) {
  const { executionGasUsed, exceptionError, returnValue, gasRefund, logs, selfdestruct } =
    execResult;
  return {
    gas: executionGasUsed,
    error: exceptionError?.error ?? null,
    output: toHex(returnValue),
    refund: gasRefund ?? 0n,
    logs: (logs ?? []).map(([at, topics, bytes]) => [toHex(at), topics.map(toHex), toHex(bytes)]),
    created: createdAddress?.toString() ?? null,
    all: [...(execResult.createdAddresses ?? [])].sort(),
    destructed: [...(selfdestruct?.keys() ?? [])].sort(),
  };
}

/** Plays a message as a transaction does: what is warm, what goes at the end. */
async function play({ evm }: Player, message: EpisodeMessage) {
  const caller = addressOf(CALLER);
  evm.stateManager.originalStorageCache.clear();
  for (const address of evm.precompiles.keys())
    if (address.length <= 40 && BigInt(`0x${address}`) < 0x12n)
      evm.journal.addAlwaysWarmAddress(address);
  evm.journal.addAlwaysWarmAddress(CALLER);
  if (message.to !== null) evm.journal.addAlwaysWarmAddress(message.to);
  const result = await evm.runCall({
    block,
    caller,
    origin: caller,
    gasPrice: 9n,
    gasLimit: message.gasLimit,
    value: message.value,
    data: message.data,
    ...(message.to === null ? {} : { to: addressOf(message.to) }),
  });
  const { selfdestruct, createdAddresses } = result.execResult;
  const outcome = shown(result);
  for (const address of selfdestruct?.keys() ?? [])
    if (createdAddresses?.has(address) === true)
      await evm.journal.deleteAccount(addressOf(address));
  await evm.journal.cleanup();
  return outcome;
}

/** Plays the messages in both; returns the gas of the first. */
async function bothEqual(t: Test, episode: Episode, label: string): Promise<bigint> {
  const [ours, library] = [await openOurs(episode), await openLibrary(episode)];
  let first: bigint | null = null;
  for (const [index, message] of episode.messages.entries()) {
    const outcome = await play(ours, message);
    t.same(outcome, await play(library, message), `${label}, message ${index}`);
    t.same(ours.accounts(), library.accounts(), `${label}, state after message ${index}`);
    first ??= outcome.gas;
  }
  return first ?? 0n;
}

t.test("contracts end as in the library", async (t) => {
  for (let seed = 0; seed < 250; seed++)
    await bothEqual(t, someEpisode(createRandom(seed)), `seed ${seed}`);
});

t.test("wherever their gas ends", async (t) => {
  for (let seed = 500; seed < 510; seed++) {
    const episode = someEpisode(createRandom(seed));
    const [message] = episode.messages;
    if (message === undefined) continue;
    const used = await bothEqual(t, { ...episode, messages: [message] }, `seed ${seed}`);
    const random = createRandom(seed);
    for (let i = 0; i < 20; i++) {
      const gasLimit = BigInt(random.below(Number(used) + 1));
      const messages = [{ ...message, gasLimit }];
      await bothEqual(t, { ...episode, messages }, `seed ${seed}, ${gasLimit} gas`);
    }
  }
});

for (const kind of ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE"])
  t.test(`and as deep as ${kind} goes`, async (t) => {
    await bothEqual(t, deepEpisode(kind), kind);
  });
