/** Deposits of the parity chain: the actions of users, and such as fail before they start. */
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { gasCost } from "../../node/execution/embedded/gas.ts";
import {
  BASE_FEE_VAULT,
  DEPOSITOR,
  L1_FEE_VAULT,
  OPERATOR_FEE_VAULT,
  SEQUENCER_FEE_VAULT,
} from "../../node/primitives/predeploys.ts";
import { type DepositTransaction, encodeDeposit } from "../../node/primitives/transaction.ts";
import { addressHex, AUTHORITIES, lower, SENDERS } from "./accounts.ts";
import { ACTIONS } from "./actions.ts";
import { addressOfContract } from "./contracts.ts";
import { CORNERS } from "./corners.ts";
import type { Action, Place } from "./place.ts";

const VAULTS = [SEQUENCER_FEE_VAULT, BASE_FEE_VAULT, L1_FEE_VAULT, OPERATOR_FEE_VAULT];
const MINT_MAX = 2n ** 128n - 1n;
const OVERSIZE_INITCODE_BYTES = 49_153;

/**
 * Nobody signs deposits: everybody can be the sender of one. But for 0xff…fe, whose calls geth
 * takes for the protocol's own, moving no value: no L1 account has that address or its alias.
 */
function someSender({ random, made }: Place): Hex {
  const fresh = addressHex(0xdd00n + BigInt(random.below(64)));
  return random.pick([
    fresh,
    fresh,
    fresh,
    lower(random.pick(SENDERS).address),
    lower(random.pick(AUTHORITIES).address),
    addressOfContract(random.pick(["sink", "store", "factory"])),
    random.pick(VAULTS),
    random.pick([DEPOSITOR, addressHex(BigInt(1 + random.below(0x11)))]),
    made.length === 0 ? fresh : random.pick(made),
  ]);
}

/** Enough, too little, and each limit to the unit. */
function someGasLimit({ random }: Place, { to, data, gas }: Action): bigint {
  const form = { to, data: fromHex(data), accessList: [], authorizationList: [] };
  const { intrinsic, floor } = gasCost(form);
  switch (random.below(8)) {
    case 0:
      return BigInt(random.below(60_000));
    case 1:
      return random.pick([intrinsic, floor]) - BigInt(random.below(2));
    default:
      return gas;
  }
}

/** A deposit: mostly the same actions as users'. */
export function someDeposit(place: Place): DepositTransaction {
  const { random } = place;
  const action = random.pick(random.oneIn(4) ? CORNERS : ACTIONS)(place);
  const mint = random.pick([0n, 0n, 0n, 1n, 1000n, 10n ** 18n, 10n ** 24n, MINT_MAX]);
  const value = random.pick([0n, action.value, mint, mint + 10n ** 60n]);
  const oversize = random.oneIn(40);
  return makeDeposit(place, {
    sender: someSender(place),
    to: oversize ? null : action.to,
    // Little enough that no balance ever comes near 2^256.
    mint,
    value,
    gasLimit: oversize ? 3_000_000n : someGasLimit(place, action),
    data: oversize ? new Uint8Array(OVERSIZE_INITCODE_BYTES) : fromHex(action.data),
  });
}

type Fields = Pick<DepositTransaction, "sender" | "to" | "mint" | "value" | "gasLimit" | "data">;

/** A deposit with a source of its own. */
export function makeDeposit({ random }: Place, fields: Fields): DepositTransaction {
  return encodeDeposit({ sourceHash: toHex(random.bytes(32)), isSystemTx: false, ...fields });
}
