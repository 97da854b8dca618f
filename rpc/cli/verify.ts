/**
 * `pricelane verify`: checks what a sequencer has signed, with nothing but the rollup file: receipts,
 * and the order of a block. The same code as the node's (`lanes/`); no node is trusted, one may be
 * asked for what is checked.
 *
 * Owns reading the input and saying in words what holds. Exit code 1 where it does not.
 */
import { createReadStream } from "node:fs";
import { Command } from "commander";
import type { AdmissionLeaf } from "../../lanes/admission.ts";
import { checkBlockJson } from "../../lanes/block-json.ts";
import { checkReceiptJson, receiptHash } from "../../lanes/check-receipt.ts";
import { NORMAL_RANK, SYSTEM_RANK } from "../../lanes/classify.ts";
import { findEvidence } from "../../lanes/evidence.ts";
import { classOfRank, type Policy } from "../../lanes/policy.ts";
import type { Receipt } from "../../lanes/receipt-json.ts";
import { type ErrorData, NodeError } from "../../node/errors.ts";
import { trustOf } from "../sdk/trust.ts";
import { readRollupFile } from "./rollup-file.ts";

const RECEIPT_HELP = `
WHAT is a file, - for standard input, or with --url the hash of a transaction. A second one is
compared with the first: two promises that contradict each other are evidence.

Examples:
  pricelane verify receipt receipt.json --rollup rollup.json
  pricelane verify receipt 0x5c50… --url http://127.0.0.1:9545 --rollup rollup.json
`;

const BLOCK_HELP = `
WHAT is a file with the answer of lane_block, - for standard input, or with --url a block's number,
hash, or latest.

Example:
  pricelane verify block latest --url http://127.0.0.1:9545 --rollup rollup.json
`;

/** Bytes of a file or an answer. */
const INPUT_BYTES_MAX = 32 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

interface Options {
  readonly rollup: string;
  readonly url?: string;
}

/** The subcommand. */
export function createVerifyCommand(): Command {
  const receipt = new Command("receipt")
    .summary("check one receipt, or whether two contradict each other")
    .argument("<what>", "file, - or transaction hash")
    .argument("[other]", "another one")
    .requiredOption("--rollup <path>", "the path of a rollup config file")
    .option("--url <url>", "JSON-RPC of a node to ask for the receipt of a hash")
    .addHelpText("after", RECEIPT_HELP)
    .action(async (what: string, other: string | undefined, options: Options) => {
      await verifyReceipts(other === undefined ? [what] : [what, other], options);
    });
  const block = new Command("block")
    .summary("check the order of a block")
    .argument("<what>", "file, -, number or hash")
    .requiredOption("--rollup <path>", "the path of a rollup config file")
    .option("--url <url>", "JSON-RPC of a node to ask for the block")
    .addHelpText("after", BLOCK_HELP)
    .action((what: string, options: Options) => verifyBlock(what, options));
  return new Command("verify")
    .summary("check receipts and blocks without trusting any node")
    .description("Checks what a sequencer has signed, with nothing but the rollup file.")
    .addCommand(receipt)
    .addCommand(block);
}

async function verifyReceipts(inputs: readonly string[], options: Options): Promise<void> {
  const trust = trustOf(await readRollupFile(options.rollup));
  const receipts: Receipt[] = [];
  for (const input of inputs) {
    const json = await readInput(input, options.url, "lane_proof", [input]);
    if (json === null) throw new NodeError("RECEIPT_INVALID", { reason: "there is none yet" });
    const receipt = checkReceiptJson(json, trust);
    if (!receipt.ok) throw new NodeError(receipt.code, receipt.data);
    if (options.url !== undefined && receiptHash(receipt.value) !== input.toLowerCase())
      throw new NodeError("RECEIPT_INVALID", { part: "hash", asked: input });
    say(describe(receipt.value, trust.policy));
    receipts.push(receipt.value);
  }
  const [first, second] = receipts;
  if (first === undefined || second === undefined) return;
  const evidence = findEvidence(first, second);
  if (evidence === null) say("They do not contradict each other.");
  else say(`EVIDENCE ${evidence.kind}: ${evidence.reason}.`);
}

function describe(receipt: Receipt, policy: Policy): string {
  if (receipt.type === "admission") {
    const { leaf, group } = receipt.receipt;
    const until = leaf.lane === "fast" ? `, in or before block ${leaf.deadlineBlock}` : "";
    return (
      `Holds: ${leaf.hash} was taken into the ${leaf.lane} lane (${kindOf(leaf, policy)}) ` +
      `as number ${leaf.accepted}${until}; signed ${new Date(group.issuedAtMs).toISOString()}.`
    );
  }
  const { header, lane, result, index } = receipt.receipt;
  const outcome = result.status === 1 ? "succeeded" : "failed";
  return (
    `Holds: ${lane.txHash} (${className(lane.rank, policy)}) is number ${index} of the ` +
    `${header.txCount} transactions of flashblock ${header.index} of block ${header.blockNumber}, ` +
    `accepted ${lane.accepted}, ready ${lane.ready}; it ${outcome} and used ${result.gasUsed} gas. ` +
    `The order is promised while L1 block ${header.l1OriginNumber} (${header.l1OriginHash}) is canonical.`
  );
}

/** What was taken in: a report, which an epoch applies, or a transaction of a class. */
function kindOf({ rank }: AdmissionLeaf, policy: Policy): string {
  return rank === SYSTEM_RANK ? "report" : className(rank, policy);
}

function className(rank: number, policy: Policy): string {
  if (rank === NORMAL_RANK) return "normal";
  return rank === SYSTEM_RANK ? "system" : (classOfRank(policy, rank)?.name ?? `rank ${rank}`);
}

async function verifyBlock(what: string, options: Options): Promise<void> {
  const trust = trustOf(await readRollupFile(options.rollup));
  const id = /^\d+$/.test(what) ? `0x${Number(what).toString(16)}` : what;
  const json = await readInput(what, options.url, "lane_block", [id]);
  if (json === null) throw new NodeError("BLOCK_NOT_FOUND", { block: what });
  const checked = checkBlockJson(json, trust);
  if (!checked.ok) throw new NodeError(checked.code, checked.data);
  const { blockNumber, blockHash, flashblocks, transactions } = checked.value;
  // A node may answer with another block than the one it was asked for.
  const isAsked = [blockHash, `0x${blockNumber.toString(16)}`].includes(id.toLowerCase());
  if (options.url !== undefined && id.startsWith("0x") && !isAsked)
    throw new NodeError("RECEIPT_INVALID", { part: "blockNumber", asked: what });
  say(
    `Holds: block ${blockNumber} (${blockHash}), ${flashblocks} flashblocks, ${transactions} ` +
      "transactions: signed, chained, and nobody is overtaken in it.",
  );
}

/** JSON of a file, of standard input, or of a node's answer. */
async function readInput(
  input: string,
  url: string | undefined,
  method: string,
  params: readonly unknown[],
): Promise<unknown> {
  if (url !== undefined) return ask(url, method, params);
  const invalid = (expected: string, cause?: unknown): NodeError =>
    new NodeError("CONFIG_INVALID", { key: input, expected }, cause);
  let content: string | null;
  try {
    content = await readBounded(input === "-" ? process.stdin : createReadStream(input));
  } catch (cause) {
    throw invalid("a file that can be read; for a hash, --url names the node to ask", cause);
  }
  if (content === null) throw invalid(`at most ${INPUT_BYTES_MAX} bytes`);
  try {
    return JSON.parse(content) as unknown;
  } catch (cause) {
    throw invalid("JSON", cause);
  }
}

async function ask(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const failed = (data: ErrorData, cause?: unknown): NodeError =>
    new NodeError("CONFIG_INVALID", { key: "--url", ...data }, cause);
  let content: string | null;
  let answer: unknown;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    content = await readBounded(response.body ?? []);
    answer = content === null ? null : JSON.parse(content);
  } catch (cause) {
    throw failed({ expected: "the JSON-RPC of a Pricelane node that answers" }, cause);
  }
  if (content === null) throw failed({ expected: `an answer of at most ${INPUT_BYTES_MAX} bytes` });
  if (typeof answer !== "object" || answer === null || !("result" in answer))
    throw failed({ expected: `a node that knows ${method}` });
  return answer.result;
}

/** UTF-8 text; `null` where it is too long, and then the rest is not read. */
async function readBounded(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > INPUT_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
