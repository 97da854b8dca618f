/** Proofs against another implementation's verifier, at every block of a chain with forks. */
import { verifyMerkleProof } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import t, { type Test } from "tap";
import { bigintToBytes, bytesToBigint, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { type AccountProof, proveAccount } from "../../node/execution/proof.ts";
import type { AccountRecord } from "../../node/storage/state.ts";
import { type ChainSnapshot, openChainReader } from "../../node/storage/chain-reader.ts";
import { createRandom } from "../storage/fixtures/chain.ts";
import { ALICE, BOB, CONTRACTS, deposit, initCode, lower, sign, words } from "./fixtures/chain.ts";
import { createStoredChain, type StoredChain } from "./fixtures/stored-chain.ts";

/** `SELFDESTRUCT` to the caller after writing slot 1: gone again within its own transaction. */
const FLEETING = "0x602a60015533ff";
const STORE = CONTRACTS.store.address;
const slot = (index: number): Hex => words(BigInt(index));
const fresh = (index: number): Hex => toHex(bigintToBytes(0xf000n + BigInt(index), 20));

interface Seen {
  readonly account: AccountRecord | null;
  readonly values: readonly bigint[];
}

const ADDRESSES = [lower(ALICE.address), STORE, ...Array.from({ length: 12 }, (_, i) => fresh(i))];
const SLOTS = Array.from({ length: 14 }, (_, i) => slot(i));

function look({ store }: StoredChain): Map<Hex, Seen> {
  const seen = new Map<Hex, Seen>();
  for (const address of ADDRESSES) {
    const account = store.state.account(address);
    seen.set(address, { account, values: SLOTS.map((at) => store.state.slot(address, at)) });
  }
  return seen;
}

/** What a proof proves, as `@ethereumjs/mpt` reads it; throws where it does not hold. */
async function proven(
  root: Hex,
  key: Hex,
  proof: AccountProof["proof"],
): Promise<Uint8Array | null> {
  return verifyMerkleProof(fromHex(key), [...proof], { root: fromHex(root), useKeyHashing: true });
}

async function checkProof(
  t: Test,
  stateRoot: Hex,
  address: Hex,
  { account, proof, storage }: AccountProof,
  expected: Seen,
): Promise<void> {
  const value = await proven(stateRoot, address, proof);
  t.strictSame(account, expected.account);
  t.equal(value === null, account === null, "existence");
  if (value !== null && account !== null) {
    const [nonce, balance, storageRoot, codeHash] = RLP.decode(value) as Uint8Array[];
    t.strictSame(
      {
        nonce: bytesToBigint(nonce!),
        balance: bytesToBigint(balance!),
        codeHash: toHex(codeHash!),
        storageRoot: toHex(storageRoot!),
      },
      account,
    );
  }
  for (const [i, each] of storage.entries()) {
    t.equal(each.value, expected.values[i]);
    if (each.proof.length === 0) continue;
    const word = await proven(account!.storageRoot, SLOTS[i]!, each.proof);
    const found = word === null ? 0n : bytesToBigint(RLP.decode(word) as Uint8Array);
    t.equal(found, each.value, `slot ${i}`);
  }
}

async function checkBlocks(
  t: Test,
  snapshot: ChainSnapshot,
  seen: readonly Map<Hex, Seen>[],
  oldest: number,
): Promise<void> {
  for (let number = oldest; number < seen.length; number++) {
    const { stateRoot } = snapshot.headerByNumber(number)!.header;
    const state = snapshot.stateAt(number);
    for (const [address, expected] of seen[number]!)
      await checkProof(
        t,
        stateRoot,
        address,
        await proveAccount(state, stateRoot, address, SLOTS),
        expected,
      );
  }
}

t.test("proofs of every block that is kept hold under its state root", async (t) => {
  const dataDir = t.testdir();
  const chain = await createStoredChain(dataDir, { undoBlocks: 20 });
  const reader = await openChainReader(dataDir);
  const random = createRandom(11);
  const seen = [look(chain)];
  const nonce = (): number => Number(chain.store.state.account(lower(ALICE.address))?.nonce ?? 0n);
  const grow = async (): Promise<void> => {
    const first = nonce();
    const transactions = [];
    let count = 0;
    for (let left = random(4); left > 0; left--) {
      const at = { nonce: first + count++, gas: 300_000n };
      const kind = random(4);
      if (kind === 0) transactions.push(sign(ALICE, { ...at, to: fresh(random(12)), value: 5n }));
      else if (kind === 1) transactions.push(sign(ALICE, { ...at, data: FLEETING }));
      else {
        // A third of the writes empties a slot.
        const data = words(BigInt(random(14)), BigInt(random(3)) * 0x1234567890abcdefn);
        transactions.push(sign(ALICE, { ...at, to: STORE, data }));
      }
    }
    await chain.block(await Promise.all(transactions));
    seen.push(look(chain));
  };
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 8; i++) await grow();
    if (round % 2 === 1) {
      const number = seen.length - 1 - (1 + random(5));
      await chain.rollback(number);
      seen.length = number + 1;
      for (let i = 0; i < 6; i++) await grow();
    }
    const snapshot = reader.snapshot();
    await checkBlocks(t, snapshot, seen, Math.max(0, seen.length - 1 - 20));
    await snapshot.release();
  }
  await reader.close();
  await chain.close();
});

t.test("a proof of nothing shows where the key would be", async (t) => {
  const dataDir = t.testdir();
  const chain = await createStoredChain(dataDir);
  const nonce = { nonce: 0 };
  await chain.block([await sign(ALICE, { ...nonce, to: STORE, data: words(1n, 7n) })]);
  const reader = await openChainReader(dataDir);
  const snapshot = reader.snapshot();
  const { stateRoot } = chain.head().header;
  const state = snapshot.stateAt(1);
  const absent = await proveAccount(state, stateRoot, `0x${"ab".repeat(20)}`, [slot(1)]);
  t.equal(absent.account, null);
  t.ok(absent.proof.length > 0, "the account trie is not empty");
  t.same(absent.storage, [{ value: 0n, proof: [] }], "what is not there has no storage to prove");
  const store = await proveAccount(state, stateRoot, STORE, [slot(1), slot(2)]);
  t.equal(store.storage[0]?.value, 7n);
  t.equal(store.storage[1]?.value, 0n);
  t.ok((store.storage[1]?.proof.length ?? 0) > 0, "an empty slot beside a full one has a proof");
  await t.rejects(
    proven(stateRoot, STORE, [store.proof[0]!, ...absent.proof.slice(1)]),
    "a proof of something else does not hold",
  );
  await snapshot.release();
  await reader.close();
  await chain.close();
});

t.test("a node that is damaged, or that no diff leads to, is no proof", async (t) => {
  const dataDir = t.testdir();
  const chain = await createStoredChain(dataDir);
  for (let i = 0; i < 3; i++)
    await chain.block([
      deposit({
        mint: 5n,
        to: lower(BOB.address),
        gasLimit: 200_000n,
        data: fromHex(initCode("0x00")),
      }),
    ]);
  const reader = await openChainReader(dataDir);
  const snapshot = reader.snapshot();
  const { stateRoot } = snapshot.headerByNumber(1)!.header;
  const wrong: Hex = `0x${"12".repeat(32)}`;
  const state = snapshot.stateAt(1);
  t.ok(await proveAccount(state, stateRoot, STORE, []));
  await t.rejects(proveAccount(state, wrong, STORE, []), { code: "STORAGE_CORRUPT" });
  const at2 = snapshot.stateAt(2);
  await t.rejects(proveAccount(at2, stateRoot, STORE, []), { code: "STORAGE_CORRUPT" });
  await snapshot.release();
  await reader.close();
  await chain.close();
});
