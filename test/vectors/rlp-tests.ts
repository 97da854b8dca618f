/**
 * RLPTests: values and their encoding, and bytes that encode nothing, through the strict decoder of
 * untrusted input and the encoder.
 */
import { RLP } from "@ethereumjs/rlp";
import { bigintToMinimalBytes, bytesEqual, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { decodeRlp, type RlpItem } from "../../lanes/rlp.ts";
import { compare, failed, type Outcome, PASSED } from "./outcome.ts";
import { hasMembers, hexOf } from "./shape.ts";

/** Text, a number, `#` and the digits of a large one, or a list of these. */
type TestValue = string | number | readonly TestValue[];

interface RlpTest {
  /** A value; or `VALID` or `INVALID`, where only the bytes are given. */
  readonly in: TestValue;
  /** Some files leave out the `0x`. */
  readonly out: string;
}

/** Deeper than any test. */
const DEPTH_MAX = 1024;

export function isRlpTest(test: unknown): test is RlpTest {
  return hasMembers(test, "in", "out") && typeof (test as { out: unknown }).out === "string";
}

export function runRlpTest(test: RlpTest): Outcome {
  const bytes = fromHex(hexOf(test.out));
  const decoded = decodeRlp(bytes, DEPTH_MAX);
  if (test.in === "INVALID") return decoded === null ? PASSED : failed("accepted");
  if (decoded === null) return failed("refused");
  if (!bytesEqual(encode(decoded), bytes)) return failed("another encoding of what was decoded");
  if (test.in === "VALID") return PASSED;
  const value = valueOf(test.in);
  if (JSON.stringify(spell(decoded)) !== JSON.stringify(spell(value)))
    return failed("decodes to another value");
  return compare("encoding", toHex(encode(value)), toHex(bytes));
}

function valueOf(value: TestValue): RlpItem {
  if (typeof value === "number") return bigintToMinimalBytes(BigInt(value));
  if (typeof value !== "string") return value.map(valueOf);
  if (value.startsWith("#")) return bigintToMinimalBytes(BigInt(value.slice(1)));
  return new TextEncoder().encode(value);
}

function encode(item: RlpItem): Uint8Array {
  return RLP.encode(item as Parameters<typeof RLP.encode>[0]);
}

type Spelling = Hex | Spelling[];

function spell(item: RlpItem): Spelling {
  return item instanceof Uint8Array ? toHex(item) : item.map(spell);
}
