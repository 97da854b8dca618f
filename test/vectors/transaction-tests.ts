/**
 * TransactionTests: the bytes of one transaction, through the decoder, the checks of its form and
 * the recovery of its sender, under each fork whose rules are at hand.
 */
import { fromHex, type Hex } from "../../lanes/bytes.ts";
import { gasCost } from "../../node/execution/embedded/gas.ts";
import type { Rules } from "../../node/execution/embedded/rules.ts";
import { checkForm } from "../../node/execution/embedded/transition.ts";
import { recoverSender } from "../../node/primitives/signature.ts";
import { decodeTransaction } from "../../node/primitives/transaction.ts";
import { BLOB_TYPE, decodeBlobTransaction } from "./blob-transaction.ts";
import { CANCUN, CHAIN_ID, PRAGUE, SKIP } from "./cancun.ts";
import { type Case, compare, every, failed, type Outcome, PASSED, skipped } from "./outcome.ts";
import { hasMembers, hexOf, integerOf } from "./shape.ts";

interface Expectation {
  readonly exception?: unknown;
  readonly hash?: Hex;
  readonly sender?: Hex;
  readonly intrinsicGas?: string;
}

interface TransactionTest {
  readonly result: Readonly<Record<string, Expectation>>;
  readonly txbytes: string;
}

export function isTransactionTest(test: unknown): test is TransactionTest {
  return hasMembers(test, "result", "txbytes");
}

interface Fork {
  readonly name: string;
  readonly rules: Rules;
  readonly blobsMax: number;
}

const FORKS: readonly Fork[] = [
  { name: "Cancun", rules: CANCUN, blobsMax: 6 },
  { name: "Prague", rules: PRAGUE, blobsMax: 9 },
];
/** Tests of malformed bytes end with an earlier fork, whose encoding Cancun keeps. */
const EARLIER: readonly Fork[] = ["Shanghai", "Paris"].map((name) => ({
  name,
  rules: CANCUN,
  blobsMax: 0,
}));

type Reading =
  | { readonly ok: true; readonly hash: Hex; readonly sender: Hex; readonly intrinsicGas: bigint }
  | { readonly ok: false; readonly code: string };

/** Whether the transaction could stand in a block, whatever the state, and what it is. */
function readTransaction(raw: Uint8Array, { rules, blobsMax }: Fork): Reading {
  if (raw[0] === BLOB_TYPE) {
    const blobs = decodeBlobTransaction(raw, blobsMax);
    return typeof blobs === "string"
      ? { ok: false, code: blobs }
      : checkRead({ ...blobs.transaction, hash: blobs.hash }, blobs.sender, rules);
  }
  const decoded = decodeTransaction(raw);
  if (!decoded.ok) return decoded;
  const sender = recoverSender(decoded.value);
  if (sender === null) return { ok: false, code: "TX_SIGNATURE_INVALID" };
  return checkRead(decoded.value, sender, rules);
}

function checkRead(
  decoded: Omit<Parameters<typeof checkForm>[0], "sender">,
  sender: Hex,
  rules: Rules,
): Reading {
  const transaction = { ...decoded, sender };
  const form = checkForm(transaction, BigInt(CHAIN_ID), rules);
  if (typeof form === "string") return { ok: false, code: form };
  return { ok: true, hash: transaction.hash, sender, intrinsicGas: gasCost(transaction).intrinsic };
}

/** One case a fork, or one under the last fork before Cancun. */
export function transactionCases(name: string, { result, txbytes }: TransactionTest): Case[] {
  const forks = FORKS.filter((fork) => result[fork.name] !== undefined);
  const earlier = EARLIER.find((fork) => result[fork.name] !== undefined);
  if (forks.length === 0 && earlier !== undefined) forks.push(earlier);
  if (forks.length === 0) return [{ name, run: () => skipped(SKIP.fork) }];
  return forks.map((fork) => ({
    name: forks.length === 1 ? name : `${name} ${fork.name}`,
    run: () => runTransactionTest(fromHex(hexOf(txbytes)), fork, result[fork.name] ?? {}),
  }));
}

function runTransactionTest(raw: Uint8Array, fork: Fork, expected: Expectation): Outcome {
  const reading = readTransaction(raw, fork);
  if (!reading.ok && reading.code === "TX_TOO_LARGE") return skipped(SKIP.size);
  if (expected.exception !== undefined)
    return reading.ok ? failed(`accepted; expected ${JSON.stringify(expected.exception)}`) : PASSED;
  if (!reading.ok) return failed(`rejected: ${reading.code}`);
  const intrinsicGas = integerOf(expected.intrinsicGas ?? "0x");
  return every(
    compare("hash", reading.hash, expected.hash ?? "no hash"),
    compare("sender", reading.sender, expected.sender ?? "no sender"),
    compare("intrinsic gas", String(reading.intrinsicGas), String(intrinsicGas)),
  );
}
