/** EIP-7702 authorizations of the parity chain: such that hold, and such that do not. */
import type { PrivateKeyAccount } from "viem/accounts";
import { bigintToBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import { addressHex, AUTHORITIES, lower, SENDERS, someAddress } from "./accounts.ts";
import { addressOfContract, CONTRACT_NAMES } from "./contracts.ts";
import { CHAIN_ID, type Place } from "./place.ts";

export type SignedAuthorization = Awaited<ReturnType<PrivateKeyAccount["signAuthorization"]>>;

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** Signers: accounts that only authorize, the sender itself, and senders of later transactions. */
function someSigner({ random }: Place, sender: PrivateKeyAccount): PrivateKeyAccount {
  if (random.oneIn(6)) return sender;
  return random.pick(random.oneIn(5) ? SENDERS : AUTHORITIES);
}

/** Delegations: to contracts, precompiles, itself, one another, nobody. */
function someTarget({ random }: Place, signer: PrivateKeyAccount): Hex {
  return random.pick([
    addressOfContract(random.pick(CONTRACT_NAMES)),
    addressOfContract(random.pick(CONTRACT_NAMES)),
    addressHex(0n),
    addressHex(someAddress(random)),
    addressHex(BigInt(1 + random.below(0x11))),
    lower(random.pick(AUTHORITIES).address),
    lower(signer.address),
  ]);
}

/**
 * Another signature: of another signer whoever that is, of nobody, or a twin that is refused for
 * its high s.
 */
function damage({ random }: Place, signed: SignedAuthorization): SignedAuthorization {
  const yParity = 1 - (signed.yParity ?? 0);
  switch (random.below(4)) {
    case 0:
      return { ...signed, yParity };
    case 1:
      return { ...signed, yParity, s: toHex(bigintToBytes(ORDER - BigInt(signed.s), 32)) };
    case 2:
      return { ...signed, r: toHex(random.bytes(32)) };
    default:
      return { ...signed, s: `0x${"00".repeat(31)}01` };
  }
}

/** One to four, of one signer twice at times; some with a wrong nonce, chain or signature. */
export async function someAuthorizations(
  place: Place,
  sender: PrivateKeyAccount,
): Promise<SignedAuthorization[]> {
  const { random } = place;
  const next = new Map<Hex, bigint>();
  const list: SignedAuthorization[] = [];
  for (let i = 0; i < 1 + random.below(4); i++) {
    const signer = someSigner(place, sender);
    const address = lower(signer.address);
    // The sender's nonce is raised before its own authorization is looked at.
    const own = signer === sender ? 1n : 0n;
    const expected = next.get(address) ?? place.nonce(address) + own;
    const off = random.oneIn(5) ? random.pick([-1n, 1n, 3n]) : 0n;
    const nonce = expected + off < 0n ? 0n : expected + off;
    const chainId = random.pick([0, CHAIN_ID, CHAIN_ID, CHAIN_ID, 1]);
    const signed = await signer.signAuthorization({
      address: someTarget(place, signer),
      chainId,
      nonce: Number(nonce),
    });
    const broken = random.oneIn(8);
    if (nonce === expected && chainId !== 1 && !broken) next.set(address, expected + 1n);
    list.push(broken ? damage(place, signed) : signed);
  }
  return list;
}
