/** Slices as threads send them to each other: what comes out is what went in, in shared memory. */
import fc from "fast-check";
import t from "tap";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import type { PackedSlice } from "../../node/api.ts";
import { ByteReader, ByteWriter } from "../../node/execution/byte-stream.ts";
import type { BlockSlice, StateSlice } from "../../node/execution/engine.ts";
import {
  packSlice,
  packWrites,
  unpackSlice,
  unpackState,
  unpackWrites,
} from "../../node/execution/slice-codec.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../node/primitives/header.ts";
import { logsBloom } from "../../node/primitives/receipt.ts";
import { encodeDeposit, type Transaction } from "../../node/primitives/transaction.ts";
import { EMPTY_CODE_HASH } from "../../node/storage/state.ts";
import { ALICE, sign } from "./fixtures/chain.ts";

const hex = (size: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: size, maxLength: size }).map(toHex);
const uint = fc.oneof(
  fc.constantFrom(0n, 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 256n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
);
const bytes = fc.uint8Array({ maxLength: 300 });
const account = fc.record({
  nonce: uint,
  balance: uint,
  codeHash: fc.oneof(fc.constant(EMPTY_CODE_HASH), hex(32)),
  storageRoot: fc.oneof(fc.constant(EMPTY_TRIE_ROOT), hex(32)),
});
const maybeAccount = fc.option(account);
const write = fc.oneof(
  fc.record({
    address: hex(20),
    after: maybeAccount,
    storageCleared: fc.boolean(),
    slots: fc.array(fc.record({ slot: hex(32), value: uint }), { maxLength: 4 }),
  }),
  fc.record({
    address: hex(20),
    after: maybeAccount,
    committed: maybeAccount,
    storageCleared: fc.boolean(),
    slots: fc.array(fc.record({ slot: hex(32), value: uint, committed: uint }), { maxLength: 4 }),
  }),
);
const log = fc.record({
  address: hex(20),
  topics: fc.array(hex(32), { maxLength: 4 }),
  data: bytes,
});
const receipt = fc
  .record(
    {
      type: fc.constantFrom(0, 1, 2, 4, 0x7e),
      status: fc.constantFrom(0 as const, 1 as const),
      cumulativeGasUsed: uint,
      gasUsed: uint,
      effectiveGasPrice: uint,
      contractAddress: fc.option(hex(20)),
      logs: fc.array(log, { maxLength: 3 }),
      l1Fee: uint,
      depositNonce: uint,
      depositReceiptVersion: uint,
    },
    {
      requiredKeys: [
        "type",
        "status",
        "cumulativeGasUsed",
        "gasUsed",
        "effectiveGasPrice",
        "contractAddress",
        "logs",
        "l1Fee",
      ],
    },
  )
  .map((fields) => ({ ...fields, logsBloom: logsBloom(fields.logs) }));

const TRANSACTIONS: readonly Transaction[] = [
  await sign(ALICE, { nonce: 0, to: `0x${"11".repeat(20)}`, value: 5n }),
  await sign(ALICE, { nonce: 1, data: "0x60006000f3" }),
  encodeDeposit({
    sourceHash: `0x${"ab".repeat(32)}`,
    sender: `0x${"cd".repeat(20)}`,
    to: null,
    mint: 7n,
    value: 3n,
    gasLimit: 100_000n,
    isSystemTx: false,
    data: Uint8Array.of(1, 2, 3),
  }),
];
const slice: fc.Arbitrary<BlockSlice> = fc.record({
  writes: fc.array(write, { maxLength: 8 }),
  codes: fc.array(
    bytes.map((code) => ({ hash: keccakHex(code), code })),
    { maxLength: 2 },
  ),
  transactions: fc.array(fc.constantFrom(...TRANSACTIONS), { maxLength: 5 }),
  receipts: fc.array(receipt, { maxLength: 5 }),
});

t.test("a slice comes out as it went in", async (t) => {
  fc.assert(
    fc.property(slice, (given) => {
      const packed = packSlice(given);
      t.same(unpackSlice(packed), given);
      t.same(unpackState(packed), { writes: given.writes, codes: given.codes });
      t.same(unpackWrites(packWrites(given.writes)), given.writes);
    }),
    { numRuns: 500 },
  );
});

t.test("a port sends it without copying", async (t) => {
  const { port1, port2 } = new MessageChannel();
  const [given] = fc.sample(slice, { numRuns: 1, seed: 7 });
  const packed = packSlice(given!);
  port1.postMessage(packed);
  const { message } = receiveMessageOnPort(port2) as { message: PackedSlice };
  t.ok(message.state.buffer instanceof SharedArrayBuffer);
  t.same(unpackSlice(message), given);
  packed.state[0] = 0xff;
  t.equal(message.state[0], 0xff, "the same memory");
  port1.close();
});

t.test("what cannot be told apart, or does not end, asserts", async (t) => {
  const mixed: StateSlice = [
    {
      address: `0x${"11".repeat(20)}`,
      after: null,
      committed: null,
      storageCleared: false,
      slots: [{ slot: `0x${"22".repeat(32)}`, value: 1n }],
    },
  ];
  t.throws(() => packWrites(mixed), /of all slots of an account or of none/);
  const packed = packWrites([]);
  t.throws(() => unpackWrites(packed.subarray(1)), /end too soon/);
  const long = new ByteWriter();
  long.u32(0);
  long.u8(1);
  t.throws(() => unpackWrites(long.toShared()), /everything was read/);
  t.throws(() => {
    new ByteWriter().uint(2n ** 256n);
  }, /256 bits/);
});

t.test("every form can be the one that the buffer grows for", async (t) => {
  const COUNT = 60_000;
  const forms: readonly ((out: ByteWriter) => void)[] = [
    (out) => {
      out.u8(200);
    },
    (out) => {
      out.u32(4_000_000_000);
    },
    (out) => {
      out.uint(2n ** 64n - 1n);
    },
    (out) => {
      out.uint(2n ** 255n);
    },
    (out) => {
      out.hex("0xabcdef");
    },
    (out) => {
      out.bytes(Uint8Array.of(1, 2, 3));
    },
  ];
  const parts = forms.map((form) => {
    const out = new ByteWriter();
    form(out);
    return out.toShared().slice();
  });
  for (const [index, form] of forms.entries()) {
    const out = new ByteWriter();
    for (let i = 0; i < COUNT; i++) form(out);
    const part = Buffer.from(parts[index]!);
    t.ok(Buffer.concat(Array.from({ length: COUNT }, () => part)).equals(out.toShared()));
  }
});

t.test("bytes of any length, past every size of the buffer", async (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 6 }), (lengths) => {
      const out = new ByteWriter();
      const arrays = lengths.map((length, index) => new Uint8Array(length).fill(index + 1));
      for (const array of arrays) out.bytes(array);
      const read = new ByteReader(out.toShared());
      for (const array of arrays) t.same(read.bytes(), array);
      read.end();
    }),
    { numRuns: 100 },
  );
});
