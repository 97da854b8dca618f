import { RLP } from "@ethereumjs/rlp";
import { Transaction as EthersTransaction } from "ethers";
import * as fc from "fast-check";
import t from "tap";
import { parseTransaction, recoverTransactionAddress } from "viem";
import { bigintToMinimalBytes, concatBytes, fromHex, toHex } from "../../lanes/bytes.ts";
import { recoverAuthority, recoverSender } from "../../node/primitives/signature.ts";
import {
  type DecodedTransaction,
  decodeTransaction,
  laneTransaction,
  TX_BYTES_MAX,
} from "../../node/primitives/transaction.ts";
import {
  AUTHORITIES,
  REQUESTS,
  SENDER,
  sign,
  signSetCode,
  TARGET,
  UNPROTECTED,
  UNPROTECTED_SENDER,
} from "./fixtures/signed.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

function decoded(raw: Uint8Array): DecodedTransaction {
  const verdict = decodeTransaction(raw);
  if (!verdict.ok) throw new Error(`${verdict.code} ${JSON.stringify(verdict.data)}`);
  return verdict.value;
}

function code(raw: Uint8Array): string | null {
  const verdict = decodeTransaction(raw);
  return verdict.ok ? null : verdict.code;
}

/** The fields of a typed transaction, changed and encoded again. */
function reencode(raw: Uint8Array, change: (fields: unknown[]) => void): Uint8Array {
  const typed = (raw[0] ?? 0) < 0xc0;
  const fields = RLP.decode(typed ? raw.subarray(1) : raw) as unknown[];
  change(fields);
  const body = RLP.encode(fields as Uint8Array[]);
  return typed ? concatBytes(raw.subarray(0, 1), body) : body;
}

for (const [name, request] of Object.entries(REQUESTS)) {
  t.test(`${name}: what ethers and viem see`, async (t) => {
    const raw = await sign(request);
    const ours = decoded(raw);
    const theirs = EthersTransaction.from(toHex(raw));
    t.equal(ours.hash, theirs.hash);
    t.equal(toHex(ours.raw), theirs.serialized);
    t.equal(recoverSender(ours), SENDER);
    t.equal(theirs.from?.toLowerCase(), SENDER);
    t.equal(ours.type, theirs.type);
    t.equal(ours.nonce, BigInt(theirs.nonce));
    t.equal(ours.gasLimit, theirs.gasLimit);
    t.equal(ours.to, theirs.to?.toLowerCase() ?? null);
    t.equal(ours.value, theirs.value);
    t.equal(toHex(ours.data), theirs.data);
    t.equal(ours.chainId, theirs.chainId);
    t.equal(ours.maxFeePerGas, theirs.maxFeePerGas ?? theirs.gasPrice);
    t.equal(ours.maxPriorityFeePerGas, theirs.maxPriorityFeePerGas ?? theirs.gasPrice);
    t.equal(ours.r, BigInt(theirs.signature?.r ?? 0));
    t.equal(ours.s, BigInt(theirs.signature?.s ?? 0));
    t.equal(ours.v, theirs.type === 0 ? theirs.signature?.networkV : BigInt(ours.yParity));
    t.same(
      ours.accessList,
      (theirs.accessList ?? []).map(({ address, storageKeys }) => ({
        address: address.toLowerCase(),
        storageKeys,
      })),
    );
    t.same(structuredClone(ours), ours, "crosses to another thread as it is");
    const serializedTransaction = toHex(raw) as Parameters<
      typeof recoverTransactionAddress
    >[0]["serializedTransaction"];
    t.equal((await recoverTransactionAddress({ serializedTransaction })).toLowerCase(), SENDER);
  });
}

t.test("set code: the authorizations and who made them", async (t) => {
  const raw = await signSetCode();
  const ours = decoded(raw);
  t.equal(recoverSender(ours), SENDER);
  t.same(ours.authorizationList.map(recoverAuthority), AUTHORITIES);
  const theirs = parseTransaction(toHex(raw) as `0x04${string}`);
  t.same(
    ours.authorizationList.map(({ chainId, nonce, address }) => ({ chainId, nonce, address })),
    theirs.authorizationList.map(({ chainId, nonce, address }) => ({
      chainId: BigInt(chainId),
      nonce: BigInt(nonce),
      address: address.toLowerCase(),
    })),
  );
  const creation = reencode(raw, (fields) => (fields[5] = new Uint8Array(0)));
  t.equal(code(creation), "TX_MALFORMED", "type 4 cannot create");
  const empty = reencode(raw, (fields) => (fields[9] = []));
  t.equal(code(empty), "TX_MALFORMED", "type 4 without authorizations");
});

t.test("legacy without EIP-155 has no chain", async (t) => {
  const ours = decoded(fromHex(UNPROTECTED));
  t.equal(ours.chainId, null);
  t.equal(ours.v, 27n);
  t.equal(recoverSender(ours), UNPROTECTED_SENDER);
});

t.test("size, emptiness, type and trailing bytes", async (t) => {
  const raw = await sign(REQUESTS["fee market"]!);
  t.equal(code(new Uint8Array(0)), "TX_MALFORMED");
  t.equal(code(new Uint8Array(TX_BYTES_MAX + 1).fill(0xc0)), "TX_TOO_LARGE");
  t.equal(code(concatBytes(raw, Uint8Array.of(0))), "TX_MALFORMED");
  t.equal(code(raw.subarray(0, raw.length - 1)), "TX_MALFORMED");
  const legacy = await sign(REQUESTS["legacy"]!);
  t.equal(code(concatBytes(legacy, Uint8Array.of(0))), "TX_MALFORMED");
  for (const type of [0x00, 0x03, 0x05, 0x7e, 0x7f])
    t.equal(code(concatBytes(Uint8Array.of(type), raw.subarray(1))), "TX_TYPE_NOT_SUPPORTED");
  for (const first of [0x80, 0xbf])
    t.equal(code(concatBytes(Uint8Array.of(first), raw.subarray(1))), "TX_MALFORMED");

  const fits = await sign({
    ...REQUESTS["fee market creation"]!,
    gasLimit: 16_000_000,
    data: `0x${"60".repeat(TX_BYTES_MAX - 300)}`,
  });
  t.equal(code(fits), null, "just under the size limit");
});

/** `item` as RLP would never write it; `undefined` for the canonical form. */
type Spelling = (item: Uint8Array) => Uint8Array;

/** Encodes a list whose item `index` is spelled by hand. */
function listWith(items: readonly Uint8Array[], index: number, spelling: Spelling): Uint8Array {
  const parts = items.map((item, i) => (i === index ? spelling(item) : RLP.encode(item)));
  const body = concatBytes(...parts);
  const size = bigintToMinimalBytes(BigInt(body.length));
  return body.length < 56
    ? concatBytes(Uint8Array.of(0xc0 + body.length), body)
    : concatBytes(Uint8Array.of(0xf7 + size.length), size, body);
}

t.test("one transaction has one encoding", async (t) => {
  const raw = await sign({ ...REQUESTS["legacy"]!, nonce: 5 });
  const items = RLP.decode(raw) as Uint8Array[];
  const canonical = listWith(items, 0, (item) => RLP.encode(item));
  t.same(canonical, raw, "the hand encoder writes the canonical form");
  const spellings: [string, number, Spelling][] = [
    ["a single byte with a prefix", 0, () => Uint8Array.of(0x81, 0x05)],
    ["a leading zero", 0, () => Uint8Array.of(0x82, 0x00, 0x05)],
    ["zero as a byte", 0, () => Uint8Array.of(0x00)],
    ["a long form for a short string", 3, (item) => concatBytes(Uint8Array.of(0xb8, 20), item)],
    [
      "a length with a leading zero",
      3,
      (item) => concatBytes(Uint8Array.of(0xb9, 0x00, item.length), item),
    ],
    ["a list where bytes belong", 5, () => Uint8Array.of(0xc0)],
  ];
  for (const [name, index, spelling] of spellings)
    t.equal(code(listWith(items, index, spelling)), "TX_MALFORMED", name);
  const body = canonical.subarray(2);
  const longer = concatBytes(Uint8Array.of(0xf9, 0x00, body.length), body);
  t.equal(code(longer), "TX_MALFORMED", "the list's own length with a leading zero");
});

t.test(
  "no other spelling of any byte string is taken: every accepted input is canonical",
  async (t) => {
    const samples = await Promise.all([...Object.values(REQUESTS).map(sign), signSetCode()]);
    const mutated = fc
      .tuple(
        fc.constantFrom(...samples),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 2)), {
          minLength: 1,
          maxLength: 4,
        }),
      )
      .map(([sample, changes]) => {
        let bytes = [...sample];
        for (const [at, value, kind] of changes) {
          const index = at % bytes.length;
          if (kind === 0) bytes[index] = value;
          else if (kind === 1) bytes = [...bytes.slice(0, index), value, ...bytes.slice(index)];
          else bytes.splice(index, 1);
        }
        return Uint8Array.from(bytes);
      });
    let accepted = 0;
    const isCanonical = (raw: Uint8Array): boolean => {
      const verdict = decodeTransaction(raw);
      if (!verdict.ok) return true;
      accepted++;
      recoverSender(verdict.value);
      laneTransaction({ ...verdict.value, sender: SENDER });
      const again = reencode(raw, () => undefined);
      return toHex(again) === toHex(raw);
    };
    fc.assert(fc.property(mutated, isCanonical), { numRuns: 5000 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), isCanonical), { numRuns: 2000 });
    t.ok(accepted > 50, `the mutations reach past the form: ${accepted} were accepted`);
  },
);

t.test("fields that are missing, too many, or of the wrong size", async (t) => {
  for (const [name, request] of Object.entries(REQUESTS)) {
    const raw = await sign(request);
    t.equal(code(reencode(raw, (fields) => fields.pop())), "TX_MALFORMED", name);
    t.equal(code(reencode(raw, (fields) => fields.push(new Uint8Array(0)))), "TX_MALFORMED", name);
  }
  const raw = await sign(REQUESTS["fee market"]!);
  const cases: [string, number, unknown][] = [
    ["a target of 19 bytes", 5, new Uint8Array(19)],
    ["a target of 21 bytes", 5, new Uint8Array(21)],
    ["a value of 33 bytes", 6, new Uint8Array(33).fill(1)],
    ["a nonce of 9 bytes", 1, new Uint8Array(9).fill(1)],
    ["the one nonce that can never be used", 1, new Uint8Array(8).fill(0xff)],
    ["a gas limit of 9 bytes", 4, new Uint8Array(9).fill(1)],
    ["parity 2", 9, Uint8Array.of(2)],
    ["an access list that is bytes", 8, new Uint8Array(2)],
    ["an entry without keys", 8, [[fromHex(TARGET)]]],
    ["a key of 31 bytes", 8, [[fromHex(TARGET), [new Uint8Array(31)]]]],
  ];
  for (const [name, index, value] of cases)
    t.equal(code(reencode(raw, (fields) => (fields[index] = value))), "TX_MALFORMED", name);
  const legacy = await sign(REQUESTS["legacy"]!);
  for (const v of [0n, 1n, 26n, 29n, 34n]) {
    const bytes = bigintToMinimalBytes(v);
    t.equal(code(reencode(legacy, (fields) => (fields[6] = bytes))), "TX_MALFORMED", `v ${v}`);
  }
});

t.test("a signature that is malleable, zero or out of range", async (t) => {
  const raw = await sign(REQUESTS["fee market"]!);
  const { s, yParity } = decoded(raw);
  const twin = reencode(raw, (fields) => {
    fields[9] = bigintToMinimalBytes(BigInt(1 - yParity));
    fields[11] = bigintToMinimalBytes(ORDER - s);
  });
  t.equal(code(twin), "TX_SIGNATURE_INVALID", "the high-s twin");
  const none = new Uint8Array(0);
  t.equal(code(reencode(raw, (fields) => (fields[10] = none))), "TX_SIGNATURE_INVALID", "r 0");
  t.equal(code(reencode(raw, (fields) => (fields[11] = none))), "TX_SIGNATURE_INVALID", "s 0");
  const beyond = decodeTransaction(
    reencode(raw, (fields) => (fields[10] = bigintToMinimalBytes(ORDER))),
  );
  t.equal(beyond.ok ? recoverSender(beyond.value) : null, null, "r at the order is nobody's");
});

/** A list in a list in a list…, as deep as `bytesMax` allows. */
function nestedLists(bytesMax: number): Uint8Array {
  const out = new Uint8Array(bytesMax);
  for (let start = bytesMax; ;) {
    const size = bytesMax - start;
    const bytes = bigintToMinimalBytes(BigInt(size));
    const prefix = size < 56 ? [0xc0 + size] : [0xf7 + bytes.length, ...bytes];
    if (start < prefix.length) return out.subarray(start);
    start -= prefix.length;
    out.set(prefix, start);
  }
}

t.test("deep nesting is refused, and soon", async (t) => {
  const nested = nestedLists(TX_BYTES_MAX - 1);
  const startedMs = performance.now();
  t.equal(code(nested), "TX_MALFORMED");
  t.equal(code(concatBytes(Uint8Array.of(2), nested)), "TX_MALFORMED");
  t.equal(code(new Uint8Array(TX_BYTES_MAX).fill(0xc1)), "TX_MALFORMED");
  t.comment(`three refusals took ${Math.round(performance.now() - startedMs)} ms`);
});

t.test("what the lanes see", async (t) => {
  const withData = decoded(await sign(REQUESTS["legacy"]!));
  t.match(laneTransaction({ ...withData, sender: SENDER }), {
    hash: withData.hash,
    type: 0,
    sender: SENDER,
    to: TARGET,
    nonce: 7n,
    value: 12_345n,
    gasLimit: 90_000n,
    selector: "0xdeadbeef",
  });
  const creation = decoded(await sign(REQUESTS["fee market creation"]!));
  const seen = laneTransaction({ ...creation, sender: SENDER });
  t.equal(seen.to, null);
  t.equal(seen.selector, null, "two bytes are no selector");
});
