/** Our transition against another client's: the same transactions on anvil (revm), Prague rules. */
import t from "tap";
import { createTestClient, http, publicActions, toHex as quantity, walletActions } from "viem";
import { type Hex, toHex } from "../../../lanes/bytes.ts";
import { EMPTY_CODE_HASH } from "../../../node/storage/state.ts";
import { SEQUENCER_FEE_VAULT } from "../../../node/primitives/predeploys.ts";
import type { UserTransaction } from "../../../node/primitives/transaction.ts";
import { startAnvil } from "../fixtures/anvil.ts";
import {
  ALICE,
  BOB,
  CAROL,
  CHAIN_ID,
  CONTRACTS,
  createChain,
  ETHER,
  initCode,
  lower,
  receiptOf,
  sign,
  words,
} from "../fixtures/chain.ts";

const TRANSACTIONS = 90;

/** mulberry32: the same transactions in every run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/**
 * Creations that deploy, destruct themselves, revert, fail, refund, create in turn, or are refused.
 */
const INIT_CODES: readonly Hex[] = [
  initCode(CONTRACTS.store.code),
  "0x602a60015533ff",
  "0x60006000fd",
  "0xfe",
  "0x6001600055600260015560006000556000600155",
  "0x600060006000f0600060006000f0",
  "0x60ef60005360016000f3",
];

/**
 * A transaction of the mix. `nonces` holds the next nonce by sender, CAROL's by her authorizations.
 */
async function make(
  random: (below: number) => number,
  nonces: Map<string, number>,
): Promise<UserTransaction> {
  const signer = [ALICE, BOB][random(2)] ?? ALICE;
  const nonce = nonces.get(signer.address) ?? 0;
  nonces.set(signer.address, nonce + 1);
  const targets = Object.values(CONTRACTS)
    .map(({ address }) => address)
    .filter((address) => address !== CONTRACTS.environment.address);
  const target: Hex = targets[random(targets.length)] ?? CONTRACTS.store.address;
  const fresh: Hex = `0x${"f0".repeat(19)}${random(256).toString(16).padStart(2, "0")}`;
  const store = words(BigInt(random(3)), BigInt(random(3)));
  const gas = BigInt(60_000 + random(200_000));
  const data = toHex(new Uint8Array(random(600)).fill(1, random(300)));
  const to = CONTRACTS.store.address;
  const accessList = [{ address: to, storageKeys: [words(0n), words(BigInt(random(9)))] }];
  switch (random(9)) {
    case 0:
      return sign(signer, { type: "legacy", nonce, to: fresh, value: BigInt(random(5)), gas });
    case 1:
      return sign(signer, { nonce, to: fresh, data, gas });
    case 2:
      return sign(signer, { type: "eip2930", nonce, to, data: store, gas, accessList });
    case 3:
      return sign(signer, { nonce, data: INIT_CODES[random(INIT_CODES.length)] ?? "0x", gas });
    case 4:
      return sign(signer, { nonce, to: target, value: BigInt(random(2)), data: store, gas });
    case 5:
      return sign(signer, {
        nonce,
        to: CONTRACTS.caller.address,
        data: words(BigInt(random(4) === 0 ? lower(CAROL.address) : target)),
        gas,
      });
    case 6: {
      const used = nonces.get(CAROL.address) ?? 0;
      const valid = random(3) !== 0;
      if (valid) nonces.set(CAROL.address, used + 1);
      const authorization = await CAROL.signAuthorization({
        address: target,
        chainId: random(2) === 0 ? 0 : CHAIN_ID,
        nonce: valid ? used : used + 5,
      });
      const authorizationList = [authorization];
      const carol = lower(CAROL.address);
      return sign(signer, {
        type: "eip7702",
        nonce,
        to: carol,
        data: store,
        gas,
        authorizationList,
      });
    }
    case 7:
      return sign(signer, { nonce, to: lower(CAROL.address), data: store, gas });
    default:
      return sign(signer, { nonce, to, data: store, gas });
  }
}

t.test("receipts and state equal another client's", async (t) => {
  const url = await startAnvil((stop) => {
    t.teardown(stop);
  });
  const client = createTestClient({ mode: "anvil", transport: http(url) })
    .extend(publicActions)
    .extend(walletActions);
  for (const { address } of [ALICE, BOB, CAROL])
    await client.setBalance({ address, value: 1000n * ETHER });
  for (const { address, code } of Object.values(CONTRACTS)) {
    await client.setCode({ address, bytecode: code as Hex });
    await client.setNonce({ address, nonce: 1 });
  }
  // The coinbase is warm (EIP-3651): it must be the same here and there.
  await client.setCoinbase({ address: SEQUENCER_FEE_VAULT });
  const random = randomFrom(7);
  const nonces = new Map<string, number>();
  const chain = createChain();
  await chain.engine.open(chain.environment());
  let created = 0;
  const contracts = new Set<Hex>(Object.values(CONTRACTS).map(({ address }) => address));
  for (let i = 0; i < TRANSACTIONS; i++) {
    const transaction = await make(random, nonces);
    const ours = receiptOf(await chain.engine.apply(transaction));
    const hash = await client.sendRawTransaction({
      serializedTransaction: toHex(transaction.raw),
    });
    const theirs = await client.waitForTransactionReceipt({ hash, pollingInterval: 5 });
    const label = `transaction ${i}, type ${transaction.type}`;
    t.equal(quantity(ours.gasUsed), quantity(theirs.gasUsed), `${label}: gas`);
    t.equal(ours.status === 1 ? "success" : "reverted", theirs.status, `${label}: status`);
    t.equal(toHex(ours.logsBloom), theirs.logsBloom, `${label}: bloom`);
    if (ours.status === 1 && transaction.to === null) {
      t.equal(ours.contractAddress, theirs.contractAddress?.toLowerCase());
      if (ours.contractAddress !== null) contracts.add(ours.contractAddress);
      created += 1;
    }
  }
  t.ok(created > 2, "the mix creates contracts");
  const { diff } = await chain.close();
  t.ok(diff.accounts.length > 10);
  const { state } = chain.memory;
  for (const address of [...contracts, lower(CAROL.address)]) {
    const account = state.account(address);
    const bare = account === null || account.codeHash === EMPTY_CODE_HASH;
    const code: Hex = bare ? "0x" : toHex(state.code(account.codeHash));
    t.equal((await client.getCode({ address })) ?? "0x", code, `${address}: code`);
    t.equal(await client.getTransactionCount({ address }), Number(account?.nonce ?? 0n));
    for (const slot of [0n, 1n, 2n].map((index) => words(index)))
      t.equal(
        BigInt((await client.getStorageAt({ address, slot })) ?? "0x0"),
        state.slot(address, slot),
        `${address}: slot ${slot}`,
      );
  }
});
