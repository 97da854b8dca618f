import t from "tap";
import { mnemonicToAccount } from "viem/accounts";
import { deriveAccounts, MNEMONIC } from "../../devnet/accounts.ts";
import { DEVNET_ADDRESSES } from "../../node/keys.ts";

const accounts = deriveAccounts();

t.test("they are the mnemonic's, in index order", async (t) => {
  t.equal(accounts.all.length, 31);
  for (const index of [0, 9, 10, 30]) {
    const reference = mnemonicToAccount(MNEMONIC, { addressIndex: index });
    t.equal(accounts.all[index]?.address, reference.address);
    t.equal(accounts.all[index]?.index, index);
  }
  t.equal(
    accounts.all[0]?.privateKey,
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  );
});

t.test("the node knows every one of them as public", async (t) => {
  t.same(new Set(accounts.all.map(({ address }) => address.toLowerCase())), DEVNET_ADDRESSES);
});

t.test("roles share no account, and none takes a printed one", async (t) => {
  const { all, printed, ...roles } = accounts;
  const taken = Object.values(roles).flat();
  t.same(
    printed.map(({ index }) => index),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  t.equal(new Set(taken).size, taken.length, "no account in two roles");
  t.same(
    [...taken, ...printed].map(({ index }) => index).sort((a, b) => a - b),
    all.map(({ index }) => index),
    "every account has a role",
  );
  t.equal(accounts.example.index, 30);
  t.ok(taken.every(({ index }) => index >= 10 && index <= 30));
});
