import { generateKeyPair, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadIdentity } from "../../node/p2p/identity.ts";

t.test("made once, readable only by its owner, the same afterwards", async (t) => {
  const file = join(t.testdir({}), "data", "identity");
  const made = await loadIdentity(file);
  t.equal(made.type, "Ed25519");
  t.equal(statSync(file).mode & 0o777, 0o600);
  const bytes = readFileSync(file);
  const loaded = await loadIdentity(file);
  t.ok(loaded.equals(made));
  t.same(readFileSync(file), bytes);
});

t.test("a damaged file or another kind of key is an error, and is left as it is", async (t) => {
  const folder = t.testdir({ damaged: "not a key" });
  const damaged = join(folder, "damaged");
  await t.rejects(loadIdentity(damaged), { code: "KEY_INVALID" });
  t.equal(readFileSync(damaged, "utf8"), "not a key");
  const other = join(folder, "other");
  writeFileSync(other, privateKeyToProtobuf(await generateKeyPair("secp256k1")));
  await t.rejects(loadIdentity(other), { code: "KEY_INVALID" });
  await t.rejects(loadIdentity(folder), { code: "KEY_INVALID" });
});
