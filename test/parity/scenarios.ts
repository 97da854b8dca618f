/**
 * Orders of transactions within one block that chance would hardly make: limits met to the unit,
 * collisions, delegations and the nonces they move, blocks filled to the last unit of gas.
 *
 * Each yields its transactions one by one, and goes on when the last one has been executed.
 */
import { attributesTransaction } from "../../node/chain/attributes.ts";
import { DEPOSITOR } from "../../node/primitives/predeploys.ts";
import type { Transaction } from "../../node/primitives/transaction.ts";
import { concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { addressHex, AUTHORITIES, lower, SENDERS } from "./accounts.ts";
import { call, word, words } from "./actions.ts";
import { assemble, deploying } from "./assembler.ts";
import { COLLIDERS, INIT_CODE, SALTS } from "./collisions.ts";
import { addressOfContract, type ContractName } from "./contracts.ts";
import { makeDeposit } from "./deposits.ts";
import { type Action, CHAIN_ID, type Place } from "./place.ts";
import { LIMITED } from "./precompiles.ts";
import { plainTransaction } from "./transactions.ts";

type Scenario = (place: Place) => AsyncGenerator<Transaction, void>;

/** EIP-170, EIP-3860; the most gas our pool takes in one transaction. */
const CODE_BYTES_MAX = 24_576;
const INITCODE_BYTES_MAX = 49_152;
const POOL_GAS_MAX = 16_777_216n;
const TRANSFER_GAS = 21_000n;

type Account = (typeof SENDERS)[number];

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error("too few of them");
  return item;
}

const FIRST = at(SENDERS, 0);
const SECOND = at(SENDERS, 1);
const THIRD = at(SENDERS, 2);
const AUTHORITY = at(AUTHORITIES, 0);
const OTHER = at(AUTHORITIES, 1);

/** From the first sender, at the base fee. */
function plain(place: Place, action: Action): Promise<Transaction> {
  return plainTransaction(place, FIRST, action);
}

const transfer: Action = { to: addressHex(0xee07n), data: "0x", value: 1n, gas: TRANSFER_GAS };

/** The longest input of each limited precompile, and one element more: most of a block each. */
function limitOf(address: bigint, bytes: bigint): Scenario {
  return async function* (place) {
    const gas = 26_000_000;
    yield await plain(place, call("zeros", words(gas - 1_500_000, address, bytes), gas));
  };
}

async function* codeSizes(place: Place): AsyncGenerator<Transaction, void> {
  for (const bytes of [CODE_BYTES_MAX, CODE_BYTES_MAX + 1]) {
    const data = assemble(`${bytes} 0 RETURN`);
    yield await plain(place, { to: null, data, value: 0n, gas: 5_200_000n });
  }
  // Just not enough for the deposit of the code.
  const data = assemble("0x100 0 RETURN");
  for (const gas of [53_000n + 51_400n, 53_000n + 51_200n])
    yield await plain(place, { to: null, data, value: 0n, gas });
}

async function* initcodeSizes(place: Place): AsyncGenerator<Transaction, void> {
  const data = toHex(new Uint8Array(INITCODE_BYTES_MAX));
  yield await plain(place, { to: null, data, value: 0n, gas: 700_000n });
  for (const bytes of [INITCODE_BYTES_MAX, INITCODE_BYTES_MAX + 1])
    for (const create of [`${bytes} 0 0 CREATE`, `1 ${bytes} 0 0 CREATE2`]) {
      const program = assemble(`${create} GAS 0 0 LOG2 STOP`);
      yield await plain(place, { to: null, data: program, value: 0n, gas: 900_000n });
    }
}

/** Transactions of the most gas; then the block is filled to the last unit. */
async function* fullBlock(place: Place): AsyncGenerator<Transaction, void> {
  yield await plain(place, call("invalid", "0x", Number(POOL_GAS_MAX)));
  const rest = place.gasLeft() - 2n * TRANSFER_GAS;
  if (rest > TRANSFER_GAS) yield await plain(place, call("invalid", "0x", Number(rest)));
  for (let i = 0; i < 3; i++) yield await plain(place, transfer);
  yield makeDeposit(place, deposit(at(COLLIDERS, 0), transfer));
}

function deposit(sender: Hex, { to, data, value, gas }: Action, mint = value) {
  return { sender, to, mint, value, gasLimit: gas, data: fromHex(data) };
}

/** Creations where something stands; the first time only by nonce, every time by salt. */
async function* collisions(place: Place): AsyncGenerator<Transaction, void> {
  const creation: Action = { to: null, data: INIT_CODE, value: 3n, gas: 300_000n };
  for (const sender of COLLIDERS) yield makeDeposit(place, deposit(sender, creation));
  for (const salt of SALTS) {
    const data = toHex(concatBytes(word(salt), fromHex(INIT_CODE)));
    yield await plain(place, call("factory", data, 400_000, 2n));
  }
}

/** Deposits that fail in each way raise the nonce, and creations after them go by it. */
async function* failedDeposits(place: Place): AsyncGenerator<Transaction, void> {
  const sender = addressHex(0xfa11n + BigInt(place.random.below(1000)));
  const creation: Action = { to: null, data: INIT_CODE, value: 0n, gas: 300_000n };
  const tooDear = { ...creation, value: 10n ** 40n };
  const tooLow = { ...creation, gas: TRANSFER_GAS };
  const reverting: Action = { ...creation, data: assemble("0 0 REVERT") };
  const mints = [0n, 5n, 7n, 0n] as const;
  for (const [index, each] of [tooDear, tooLow, reverting, creation].entries())
    yield makeDeposit(place, deposit(sender, each, mints[index] ?? 0n));
}

/** The attributes of another origin in the same block: the fees are those at the first user. */
async function* attributesAgain(place: Place): AsyncGenerator<Transaction, void> {
  const values = (scalar: number) => {
    const system = { ...place.rollup.system, baseFeeScalar: scalar, operatorFeeConstant: 5n };
    return attributesTransaction({ ...place.rollup, system }, place.origin, 77n);
  };
  yield values(1_000);
  yield await plain(place, transfer);
  yield values(900_000);
  yield await plain(place, transfer);
  yield makeDeposit(place, deposit(DEPOSITOR, call("sink", "0x", 50_000, 1n)));
}

interface Delegation {
  readonly signer: Account;
  readonly target: Hex;
}

/** A transaction of type 4 with these delegations in order, each with the nonce it then has. */
async function delegating(
  place: Place,
  sender: Account,
  delegations: readonly Delegation[],
  action: Action,
): Promise<Transaction> {
  const nonces = new Map<string, bigint>([
    [sender.address, place.nonce(lower(sender.address)) + 1n],
  ]);
  const list = [];
  for (const { signer, target } of delegations) {
    const nonce = nonces.get(signer.address) ?? place.nonce(lower(signer.address));
    nonces.set(signer.address, nonce + 1n);
    list.push(
      await signer.signAuthorization({ address: target, chainId: CHAIN_ID, nonce: Number(nonce) }),
    );
  }
  return plainTransaction(place, sender, action, list);
}

/** Delegates, calls, clears: the sender itself, a later sender, a chain, a loop, a precompile. */
async function* delegations(place: Place): AsyncGenerator<Transaction, void> {
  const to = (signer: Account): Hex => lower(signer.address);
  const code = (name: ContractName): Hex => addressOfContract(name);
  const one = call("sink", "0x", 200_000);
  const callTo = (target: Hex, data: Hex = words(1, 2)): Action => ({
    to: target,
    data,
    value: 1n,
    gas: 400_000n,
  });
  const none = addressHex(0n);
  const steps: readonly [Delegation[], Action][] = [
    [[{ signer: SECOND, target: code("store") }], callTo(to(SECOND))],
    [[{ signer: FIRST, target: code("store") }], callTo(to(FIRST))],
    [[{ signer: FIRST, target: to(FIRST) }], callTo(to(FIRST))],
    [
      [
        { signer: AUTHORITY, target: to(OTHER) },
        { signer: OTHER, target: code("load") },
      ],
      callTo(to(AUTHORITY)),
    ],
    [[{ signer: OTHER, target: to(AUTHORITY) }], callTo(to(OTHER))],
    [[{ signer: AUTHORITY, target: addressHex(4n) }], callTo(to(AUTHORITY))],
    // The code that the transaction's target is delegated to is warm.
    [
      [{ signer: AUTHORITY, target: code("call") }],
      callTo(to(AUTHORITY), words(5000, BigInt(code("call")), 0)),
    ],
    [
      [
        { signer: AUTHORITY, target: code("store") },
        { signer: AUTHORITY, target: none },
        { signer: AUTHORITY, target: code("transient") },
      ],
      callTo(to(AUTHORITY)),
    ],
    [
      [{ signer: OTHER, target: code("factory") }],
      callTo(to(OTHER), toHex(concatBytes(word(0n), fromHex(INIT_CODE)))),
    ],
    [
      [
        { signer: FIRST, target: none },
        { signer: SECOND, target: none },
      ],
      one,
    ],
  ];
  for (const [list, action] of steps) {
    yield await delegating(place, FIRST, list, action);
    // A sender whose nonce the authorization has raised, and whose account has code perhaps.
    yield await plainTransaction(place, SECOND, callTo(to(THIRD), "0x"));
    yield await plain(place, callTo(to(SECOND), words(3, 0)));
  }
}

/** A deployed program calls itself: depth, 63/64 of the gas, and what reverts take back. */
async function* selfCalls(place: Place): AsyncGenerator<Transaction, void> {
  for (const depth of [0, 1, 3, 4, 30])
    yield await plain(place, call("selfcall", words(depth), 900_000));
  yield await plain(place, call("recursive", "0x", 16_000_000));
  const runtime = assemble("0 TLOAD 0 0 LOG1 1 0 TSTORE STOP");
  yield await plain(place, { to: null, data: deploying(runtime), value: 0n, gas: 300_000n });
}

/** Every scenario; the first ones each take most of a block. */
export const SCENARIOS: readonly Scenario[] = [
  ...LIMITED.map(([address, bytes]) => limitOf(address, bytes)),
  codeSizes,
  initcodeSizes,
  fullBlock,
  collisions,
  failedDeposits,
  attributesAgain,
  delegations,
  selfCalls,
];
