/** The mix of the parity chain: signed transactions of every type, and deposits. */
import type { PrivateKeyAccount } from "viem/accounts";
import { bigintToBytes, concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { BEACON_ROOTS, HISTORY_STORAGE, L1_BLOCK } from "../../node/execution/predeploys.ts";
import { recoverSender } from "../../node/primitives/signature.ts";
import {
  decodeTransaction,
  type DepositTransaction,
  encodeDeposit,
  type UserTransaction,
} from "../../node/primitives/transaction.ts";
import { addressHex, AUTHORITIES, lower, SENDERS, someAddress } from "./accounts.ts";
import { assemble, deploying } from "./assembler.ts";
import { addressOfContract, CONTRACT_NAMES, type ContractName } from "./contracts.ts";
import { LIMITED, precompileCall } from "./precompiles.ts";
import { someProgram } from "./programs.ts";
import type { Random } from "./random.ts";

export const CHAIN_ID = 901;

const word = (value: bigint | number): Uint8Array => bigintToBytes(BigInt(value), 32);
const words = (...values: (bigint | number)[]): Hex => toHex(concatBytes(...values.map(word)));

/** What a transaction does, without its envelope. */
interface Action {
  readonly to: Hex | null;
  readonly data: Hex;
  readonly value: bigint;
  readonly gas: bigint;
}

/** What the mix needs to know of the chain. */
export interface Place {
  readonly random: Random;
  readonly number: number;
  readonly timestamp: number;
  readonly baseFee: bigint;
  /** Nonce of an account in the open block. */
  nonce(address: Hex): bigint;
  /** Blocks of this chain take more gas than their target now. */
  readonly crowded: boolean;
}

function call(contract: ContractName, data: Hex, gas: number, value = 0n): Action {
  return { to: addressOfContract(contract), data, value, gas: BigInt(gas) };
}

const CALLERS = ["call", "callcode", "delegatecall", "staticcall"] as const;

/** Through a contract that reports flag, output and gas; directly now and then. */
function callOf({ random }: Place, target: bigint, input: Uint8Array, gas: number): Action {
  const { length } = input;
  const enough = random.oneIn(6) ? random.below(gas) : gas;
  const value = random.below(2);
  if (random.oneIn(8))
    return { to: addressHex(target), data: toHex(input), value: BigInt(value), gas: BigInt(gas) };
  const data = toHex(concatBytes(word(enough), word(target), word(value), input));
  return call(random.pick(CALLERS), data, gas + 80_000 + 60 * length);
}

/** Creations that deploy, destruct themselves, revert, fail, or leave odd code. */
const INIT_CODES: readonly Hex[] = [
  deploying(assemble("CALLER SELFDESTRUCT")),
  assemble("0x2a 1 SSTORE CALLER SELFDESTRUCT"),
  assemble("ADDRESS SELFDESTRUCT"),
  assemble("0 0 REVERT"),
  assemble("INVALID"),
  assemble("1 0 SSTORE 2 1 SSTORE 0 0 SSTORE 0 1 SSTORE"),
  assemble("0xef 0 MSTORE8 1 0 RETURN"),
  assemble("0x6001 0 RETURN"),
  assemble("0x6000 0 RETURN"),
  assemble("0x20 0 RETURN"),
  deploying(assemble("0 CALLDATALOAD SLOAD 0 MSTORE 0x20 0 RETURN")),
  "0x",
];

function someInitCode(random: Random): Hex {
  if (random.oneIn(2)) return random.pick(INIT_CODES);
  const program = someProgram(random, 5 + random.below(40));
  return random.oneIn(2) ? program : deploying(program);
}

const ACTIONS: readonly ((place: Place) => Action)[] = [
  // A transfer: to nobody yet, to a precompile, to a contract, to another sender.
  ({ random }) => ({
    to: random.oneIn(4) ? lower(random.pick(SENDERS).address) : addressHex(someAddress(random)),
    data: "0x",
    value: BigInt(random.below(5)),
    gas: BigInt(random.pick([21_000, 25_000, 60_000])),
  }),
  // Bytes that cost the floor of EIP-7623.
  ({ random }) => {
    const zeros = new Uint8Array(random.below(3000));
    const data = concatBytes(random.bytes(random.below(2000)), zeros);
    const gas = 21_000 + 40 * data.length + random.below(3);
    return { to: addressHex(0xee05n), data: toHex(data), value: 0n, gas: BigInt(gas) };
  },
  ({ random }) => {
    const pairs = Array.from({ length: 1 + random.below(4) }, () => [
      random.below(8),
      random.pick([0, 0, 1, 2, 2 ** 40]),
    ]).flat();
    const contract = random.pick(["store", "store", "transient", "load"] as const);
    return call(contract, words(...pairs), 30_000 + random.below(120_000));
  },
  ({ random, number }) =>
    call("environment", words(random.pick([0, 1, 2, 255, 256, 257, number])), 120_000),
  (place) => {
    const { address, input } = precompileCall(place.random);
    return callOf(place, address, input, 400_000);
  },
  (place) => {
    const { address, input } = precompileCall(place.random);
    return callOf(place, address, input, 400_000);
  },
  // The beacon roots by time, the history by number: now, before, and out of the ring.
  (place) => {
    const back = place.random.pick([0, 1, 2, 3, 200, 8191, 8192]);
    const beacon = place.random.oneIn(2);
    const asked = (beacon ? place.timestamp : place.number) - back;
    const input = place.random.oneIn(6) ? new Uint8Array(31) : word(Math.max(0, asked));
    return callOf(place, BigInt(beacon ? BEACON_ROOTS : HISTORY_STORAGE), input, 60_000);
  },
  // What L1Block says: number, timestamp, basefee, hash, sequenceNumber, blobBaseFee, batcherHash.
  (place) => {
    const selector = place.random.pick([
      "0x8381f58a",
      "0xb80777ea",
      "0x5cf24969",
      "0x09bd5a60",
      "0x64ca23ef",
      "0xf8206140",
      "0xe81b2c6d",
      "0x098999be",
    ] as const);
    return callOf(place, BigInt(L1_BLOCK), fromHex(selector), 60_000);
  },
  ({ random }) => {
    const data = someInitCode(random);
    return {
      to: null,
      data,
      value: BigInt(random.below(2)),
      gas: BigInt(60_000 + random.below(900_000)),
    };
  },
  ({ random }) => {
    const initCode = fromHex(someInitCode(random));
    const data = toHex(concatBytes(word(random.below(3)), initCode));
    return call("factory", data, 120_000 + random.below(600_000), BigInt(random.below(3)));
  },
  // One program in a contract that is made, called and forgotten within a transaction.
  ({ random }) => {
    const data = someProgram(random, 20 + random.below(60));
    return { to: null, data, value: 3n, gas: BigInt(150_000 + random.below(400_000)) };
  },
  (place) => {
    const { random } = place;
    const contract = random.pick(CONTRACT_NAMES);
    const target = BigInt(addressOfContract(contract));
    const input = concatBytes(word(random.pick([0n, 32n, someAddress(random)])), word(1));
    return callOf(place, target, input, 90_000);
  },
  ({ random }) => call("destructor", words(someAddress(random)), 80_000, BigInt(random.below(3))),
  ({ random }) => call("recursive", "0x", 60_000 + random.below(400_000)),
  ({ random }) =>
    call(random.pick(["invalid", "looper", "reverter"]), "0x", 22_000 + random.below(60_000)),
];

/** Uses up gas at no cost: the base fee rises. */
function burn(random: Random): Action {
  return call("invalid", "0x", 4_000_000 + random.below(5_000_000));
}

function envelope(place: Place, action: Action): Record<string, unknown> {
  const { random, baseFee } = place;
  const price = baseFee + BigInt(random.below(2_000_000_000));
  const accessList = Array.from({ length: random.below(4) }, () => ({
    address: random.oneIn(3) ? (action.to ?? addressHex(0n)) : addressHex(someAddress(random)),
    storageKeys: Array.from({ length: random.below(3) }, () => words(random.below(8))),
  }));
  switch (random.below(4)) {
    case 0:
      // Without a chain id: a signature from before EIP-155.
      return {
        type: "legacy",
        gasPrice: price,
        ...(random.oneIn(3) ? { chainId: undefined } : {}),
      };
    case 1:
      return { type: "eip2930", gasPrice: price, accessList };
    default: {
      const fees = {
        maxFeePerGas: price,
        maxPriorityFeePerGas: random.oneIn(3) ? price : BigInt(random.below(500_000_000)),
      };
      const tip = fees.maxPriorityFeePerGas > price ? price : fees.maxPriorityFeePerGas;
      return { type: "eip1559", ...fees, maxPriorityFeePerGas: tip, accessList };
    }
  }
}

/** Delegations: to contracts, precompiles, one another, nobody; some that do not hold. */
async function authorizations(place: Place, sender: PrivateKeyAccount) {
  const { random } = place;
  const used = new Map<string, bigint>();
  const list = [];
  for (let i = 0; i < 1 + random.below(3); i++) {
    const self = random.oneIn(6);
    const signer = self ? sender : random.pick(AUTHORITIES);
    const address = lower(signer.address);
    const next = used.get(address) ?? place.nonce(address) + (self ? 1n : 0n);
    const wrong = random.oneIn(5);
    const chainId = random.pick([0, CHAIN_ID, CHAIN_ID, 1]);
    if (!wrong && chainId !== 1) used.set(address, next + 1n);
    const target = random.pick([
      addressOfContract(random.pick(CONTRACT_NAMES)),
      addressHex(0n),
      addressHex(someAddress(random)),
      lower(random.pick(AUTHORITIES).address),
    ]);
    const nonce = Number(wrong ? next + 3n : next);
    list.push(await signer.signAuthorization({ address: target, chainId, nonce }));
  }
  return list;
}

/** A signed transaction of one of the senders. */
export async function someTransaction(place: Place): Promise<UserTransaction> {
  const { random } = place;
  const signer = random.pick(SENDERS);
  let action = random.pick(ACTIONS)(place);
  if (place.crowded && random.oneIn(2)) action = burn(random);
  let request: Record<string, unknown> = envelope(place, action);
  if (random.oneIn(6)) {
    // To an account that has, or now gets, somebody else's code.
    const to = random.oneIn(2) ? lower(random.pick(AUTHORITIES).address) : action.to;
    const authorizationList = await authorizations(place, signer);
    action = { ...action, to: to ?? addressHex(0xee01n), gas: action.gas + 120_000n };
    const price = place.baseFee + 1_000_000_000n;
    const fees = { maxFeePerGas: price, maxPriorityFeePerGas: 1_000_000n };
    request = { type: "eip7702", authorizationList, ...fees };
  }
  const nonce = Number(place.nonce(lower(signer.address)));
  return sign(signer, { chainId: CHAIN_ID, nonce, ...action, ...request });
}

async function sign(
  signer: PrivateKeyAccount,
  request: Record<string, unknown>,
): Promise<UserTransaction> {
  const raw = await signer.signTransaction(request);
  const decoded = decodeTransaction(fromHex(raw));
  if (!decoded.ok) throw new Error(`${decoded.code} ${JSON.stringify(decoded.data)}`);
  const sender = recoverSender(decoded.value);
  if (sender === null) throw new Error("no sender");
  return { ...decoded.value, sender };
}

/** The longest inputs that precompiles take, and one element more: each needs most of a block. */
export async function limitTransaction(
  place: Place,
  index: number,
): Promise<UserTransaction | null> {
  const limited = LIMITED[index];
  if (limited === undefined) return null;
  const [signer] = SENDERS;
  if (signer === undefined) throw new Error("no sender");
  const [address, bytes] = limited;
  const gas = 26_000_000;
  const action = call("zeros", words(gas - 1_500_000, address, bytes), gas);
  const nonce = Number(place.nonce(lower(signer.address)));
  const maxFeePerGas = place.baseFee + 1n;
  return sign(signer, {
    chainId: CHAIN_ID,
    nonce,
    type: "eip1559",
    ...action,
    maxFeePerGas,
    maxPriorityFeePerGas: 1n,
  });
}

/** A deposit: mostly the same actions as users', some that fail before they start. */
export function someDeposit(place: Place): DepositTransaction {
  const { random } = place;
  const action = random.pick(ACTIONS)(place);
  const fresh = addressHex(0xdd00n + BigInt(random.below(64)));
  const sender = random.pick([
    fresh,
    fresh,
    lower(random.pick(SENDERS).address),
    lower(random.pick(AUTHORITIES).address),
    addressOfContract("sink"),
  ]);
  const mint = random.pick([0n, 0n, 1n, 1000n, 10n ** 18n]);
  const value = random.pick([0n, action.value, mint, mint + 10n ** 30n]);
  const gasLimit = random.oneIn(6) ? BigInt(random.below(60_000)) : action.gas;
  const oversize = random.oneIn(40);
  return encodeDeposit({
    sourceHash: toHex(random.bytes(32)),
    sender,
    to: oversize ? null : action.to,
    mint,
    value,
    gasLimit: oversize ? 3_000_000n : gasLimit,
    isSystemTx: false,
    data: oversize ? new Uint8Array(49_153) : fromHex(action.data),
  });
}
