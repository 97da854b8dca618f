/**
 * TransactionTests: the bytes of one transaction, through the decoder, the checks of its form and
 * the recovery of its sender, under Cancun.
 */
import { fromHex, type Hex } from "../../lanes/bytes.ts";
import { gasCost } from "../../node/execution/embedded/gas.ts";
import { checkForm } from "../../node/execution/embedded/transition.ts";
import { recoverSender } from "../../node/primitives/signature.ts";
import { decodeTransaction } from "../../node/primitives/transaction.ts";
import { BLOB_TYPE, CANCUN, CHAIN_ID, SKIP } from "./cancun.ts";
import { compare, every, failed, type Outcome, PASSED, skipped } from "./outcome.ts";

type Expectation =
  | { readonly exception: string }
  | {
      readonly exception?: undefined;
      readonly hash: Hex;
      readonly sender: Hex;
      readonly intrinsicGas: Hex;
    };

export interface TransactionTest {
  readonly result: Readonly<Record<string, Expectation>>;
  readonly txbytes: Hex;
}

/** Tests of malformed bytes end with an earlier fork, whose encoding Cancun keeps. */
const FORKS = ["Cancun", "Shanghai", "Paris"];

type Reading =
  | { readonly ok: true; readonly hash: Hex; readonly sender: Hex; readonly intrinsicGas: bigint }
  | { readonly ok: false; readonly code: string };

/** Whether the transaction could stand in a block, whatever the state, and what it is. */
function readTransaction(raw: Uint8Array): Reading {
  const decoded = decodeTransaction(raw);
  if (!decoded.ok) return decoded;
  const sender = recoverSender(decoded.value);
  if (sender === null) return { ok: false, code: "TX_SIGNATURE_INVALID" };
  const transaction = { ...decoded.value, sender };
  const form = checkForm(transaction, BigInt(CHAIN_ID), CANCUN);
  if (typeof form === "string") return { ok: false, code: form };
  return { ok: true, hash: transaction.hash, sender, intrinsicGas: gasCost(transaction).intrinsic };
}

export function runTransactionTest({ result, txbytes }: TransactionTest): Outcome {
  const fork = FORKS.find((name) => result[name] !== undefined);
  const expected = fork === undefined ? undefined : result[fork];
  if (expected === undefined) return skipped(SKIP.fork);
  const raw = fromHex(txbytes);
  if (raw[0] === BLOB_TYPE) return skipped(SKIP.blob);
  const reading = readTransaction(raw);
  if (expected.exception !== undefined)
    return reading.ok ? failed(`accepted; expected ${expected.exception}`) : PASSED;
  if (!reading.ok)
    return reading.code === "TX_TOO_LARGE"
      ? skipped(SKIP.size)
      : failed(`rejected: ${reading.code}`);
  return every(
    compare("hash", reading.hash, expected.hash),
    compare("sender", reading.sender, expected.sender),
    compare("intrinsic gas", String(reading.intrinsicGas), String(BigInt(expected.intrinsicGas))),
  );
}
