import t from "tap";
import { fromHex, toHex } from "../lanes/bytes.ts";
import { decryptKey, encryptKey, type Keystore } from "../node/keystore.ts";
import { addressOf } from "../node/primitives/signature.ts";

/** Web3 Secret Storage Definition, test vector "scrypt". */
const VECTOR: Keystore = {
  crypto: {
    cipher: "aes-128-ctr",
    cipherparams: { iv: "83dbcc02d8ccb40e466191a123791e0e" },
    ciphertext: "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
    kdf: "scrypt",
    kdfparams: {
      dklen: 32,
      n: 262144,
      r: 1,
      p: 8,
      salt: "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
    },
    mac: "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
  },
  id: "3198bc9c-6672-5ab3-d995-4942343ae5b6",
  version: 3,
};
const SECRET = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
/** Cheap scrypt for what is not about cost. */
const N = 1024;

t.test("the public test vector decrypts", async (t) => {
  const key = await decryptKey(VECTOR, "testpassword");
  t.ok(key.ok && toHex(key.value) === SECRET);
});

t.test("what is encrypted decrypts with its password only", async (t) => {
  const key = fromHex(SECRET);
  const keystore = await encryptKey(key, "correct horse", { n: N });
  t.equal(keystore.address, addressOf(key).slice(2));
  t.notMatch(JSON.stringify(keystore), SECRET.slice(2));
  const json: unknown = JSON.parse(JSON.stringify(keystore));
  t.same(await decryptKey(json, "correct horse"), { ok: true, value: key });
  t.match(await decryptKey(json, "wrong"), {
    ok: false,
    code: "KEY_INVALID",
    data: { reason: /wrong password/ },
  });
  const again = await encryptKey(key, "correct horse", { n: N });
  t.not(again.crypto.ciphertext, keystore.crypto.ciphertext, "salt and iv are fresh");
});

t.test("damage is seen", async (t) => {
  const keystore = await encryptKey(fromHex(SECRET), "p", { n: N });
  const flipped = keystore.crypto.ciphertext.replace(/^./, (c) => (c === "0" ? "1" : "0"));
  const damaged = { ...keystore, crypto: { ...keystore.crypto, ciphertext: flipped } };
  t.match(await decryptKey(damaged, "p"), { ok: false, code: "KEY_INVALID" });
});

t.test("what is not such a keystore is refused, and says where", async (t) => {
  const keystore = await encryptKey(fromHex(SECRET), "p", { n: N });
  const { crypto } = keystore;
  const cases: readonly (readonly [unknown, string])[] = [
    [null, ""],
    ["text", ""],
    [{ ...keystore, version: 1 }, "version"],
    [{ ...keystore, crypto: { ...crypto, cipher: "aes-256-cbc" } }, "crypto.cipher"],
    [{ ...keystore, crypto: { ...crypto, kdf: "pbkdf2" } }, "crypto.kdf"],
    [{ ...keystore, crypto: { ...crypto, mac: "00" } }, "crypto.mac"],
    [{ ...keystore, crypto: { ...crypto, ciphertext: "00".repeat(31) } }, "crypto.ciphertext"],
  ];
  for (const [value, path] of cases)
    t.match(await decryptKey(value, "p"), { ok: false, code: "KEY_INVALID", data: { path } });
});

t.test("scrypt parameters that would take the machine are refused before they run", async (t) => {
  const costs = [
    { n: 2 ** 30, r: 8, p: 1 },
    { n: 2 ** 18, r: 64, p: 1 },
    { n: 2 ** 18, r: 8, p: 1000 },
    { n: 262_143, r: 8, p: 1 },
  ];
  for (const cost of costs) {
    const kdfparams = { ...VECTOR.crypto.kdfparams, ...cost };
    const keystore = { ...VECTOR, crypto: { ...VECTOR.crypto, kdfparams } };
    t.match(await decryptKey(keystore, "testpassword"), {
      ok: false,
      data: { reason: "scrypt parameters out of range" },
    });
  }
  await t.rejects(encryptKey(new Uint8Array(31), "p"), RangeError);
});
