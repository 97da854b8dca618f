/** Signed transactions of every type, from the actions of the mix. */
import type { PrivateKeyAccount } from "viem/accounts";
import { fromHex } from "../../lanes/bytes.ts";
import { recoverSender } from "../../node/primitives/signature.ts";
import { decodeTransaction, type UserTransaction } from "../../node/primitives/transaction.ts";
import { addressHex, AUTHORITIES, lower, SENDERS, someAddress } from "./accounts.ts";
import { ACTIONS, burn, words } from "./actions.ts";
import { type SignedAuthorization, someAuthorizations } from "./authorizations.ts";
import { CORNERS } from "./corners.ts";
import { type Action, CHAIN_ID, type Place } from "./place.ts";

/** Addresses and keys, some of them twice: each is paid for, and warm once. */
function someAccessList({ random }: Place, { to }: Action) {
  const list = Array.from({ length: random.below(4) }, () => ({
    address: random.oneIn(3) ? (to ?? addressHex(0n)) : addressHex(someAddress(random)),
    storageKeys: Array.from({ length: random.below(3) }, () => words(random.below(8))),
  }));
  const [first] = list;
  if (first === undefined || !random.oneIn(3)) return list;
  return [...list, { ...first, storageKeys: [...first.storageKeys, ...first.storageKeys] }];
}

function envelope(place: Place, action: Action): Record<string, unknown> {
  const { random, baseFee } = place;
  const price = baseFee + BigInt(random.below(2_000_000_000));
  const accessList = someAccessList(place, action);
  switch (random.below(4)) {
    case 0:
      // Without a chain id: a signature from before EIP-155.
      return {
        type: "legacy",
        gasPrice: random.oneIn(8) ? baseFee : price,
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

/** A signed transaction of one of the senders. */
export async function someTransaction(place: Place): Promise<UserTransaction> {
  const { random } = place;
  const signer = random.pick(SENDERS);
  let action = random.pick(random.oneIn(4) ? CORNERS : ACTIONS)(place);
  if (place.crowded && random.oneIn(2)) action = burn(random);
  let request: Record<string, unknown> = envelope(place, action);
  if (random.oneIn(6)) {
    // To an account that has, or now gets, somebody else's code.
    const to = random.oneIn(2)
      ? lower(random.pick(random.oneIn(4) ? [signer] : AUTHORITIES).address)
      : action.to;
    const authorizationList = await someAuthorizations(place, signer);
    action = { ...action, to: to ?? addressHex(0xee01n), gas: action.gas + 120_000n };
    const price = place.baseFee + 1_000_000_000n;
    const fees = { maxFeePerGas: price, maxPriorityFeePerGas: 1_000_000n };
    request = { type: "eip7702", authorizationList, ...fees };
  }
  return sign(place, signer, { ...action, ...request });
}

/** A transaction at the base fee and a wei, of type 4 where it has authorizations. */
export function plainTransaction(
  place: Place,
  signer: PrivateKeyAccount,
  action: Action,
  authorizationList: readonly SignedAuthorization[] = [],
): Promise<UserTransaction> {
  const fees = { maxFeePerGas: place.baseFee + 1n, maxPriorityFeePerGas: 1n };
  const delegating = { type: "eip7702", authorizationList };
  const type = authorizationList.length === 0 ? { type: "eip1559" } : delegating;
  return sign(place, signer, { ...type, ...action, ...fees });
}

async function sign(
  place: Place,
  signer: PrivateKeyAccount,
  fields: Record<string, unknown>,
): Promise<UserTransaction> {
  const nonce = Number(place.nonce(lower(signer.address)));
  const raw = await signer.signTransaction({ chainId: CHAIN_ID, nonce, ...fields });
  const decoded = decodeTransaction(fromHex(raw));
  if (!decoded.ok) throw new Error(`${decoded.code} ${JSON.stringify(decoded.data)}`);
  const sender = recoverSender(decoded.value);
  if (sender === null) throw new Error("no sender");
  return { ...decoded.value, sender };
}
