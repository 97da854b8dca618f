/**
 * What publishers and traffic have in common: processes of the devnet that send transactions to
 * the sequencer's RPC until their parent is gone. Whatever the RPC answers, they keep going.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { z } from "zod";
import type { Hex } from "../lanes/bytes.ts";
import { type Client, L2_CHAIN_ID, l2Client } from "./chains.ts";
import { firstLine } from "./devnet-error.ts";

/** The job of a client process, as JSON; the environment keeps keys out of the process list. */
export const CLIENT_JOB_VARIABLE = "DEVNET_CLIENT_JOB";

const hex = z
  .string()
  .regex(/^0x[0-9a-fA-F]+$/)
  .transform((text) => text as Hex);
const jobSchema = z.strictObject({
  rpcUrl: z.url(),
  privateKeys: z.array(hex).min(1),
  seed: z.int(),
  intervalMs: z.int().positive(),
});

export type ClientJob = z.infer<typeof jobSchema>;

const RETRY_DELAY_MS = 1_000;
/** Transactions between two looks at the base fee. */
const FEE_REFRESH = 20;
const TIP_WEI = 1_000_000n;

export interface Call {
  readonly to: Hex;
  readonly data?: Hex;
  readonly value?: bigint;
  readonly gas: bigint;
}

/** Sends transactions of one account, one after the other, counting the nonce itself. */
export interface Sender {
  readonly address: Hex;
  /** Resolves with the hash when the node has acknowledged it. */
  send(call: Call): Promise<Hex>;
}

/** A sender that asks the node for its nonce at the start and after every failure. */
export function createSender(client: Client, account: PrivateKeyAccount): Sender {
  let nonce: number | null = null;
  let baseFee = 0n;
  let sent = 0;
  return {
    address: account.address,
    async send(call) {
      try {
        nonce ??= await client.getTransactionCount({
          address: account.address,
          blockTag: "pending",
        });
        if (sent % FEE_REFRESH === 0)
          baseFee = (await client.getBlock({ blockTag: "latest" })).baseFeePerGas ?? 0n;
        const serializedTransaction = await account.signTransaction({
          ...call,
          type: "eip1559",
          chainId: L2_CHAIN_ID,
          nonce,
          maxFeePerGas: 2n * baseFee + TIP_WEI,
          maxPriorityFeePerGas: TIP_WEI,
        });
        const hash = await client.sendRawTransaction({ serializedTransaction });
        nonce++;
        sent++;
        return hash;
      } catch (error) {
        nonce = null;
        sent = 0;
        throw error;
      }
    },
  };
}

/** From now on the process ends when its parent, at the other end of standard input, is gone. */
export function endWithParent(): void {
  process.stdin.on("end", () => process.exit(0));
  process.stdin.on("error", () => process.exit(0));
  process.stdin.resume();
}

/**
 * Reads the job, then calls `step` every `intervalMs` with each sender in turn until standard input
 * closes.
 */
export async function runClient(
  createStep: (job: ClientJob) => (sender: Sender) => Promise<void>,
): Promise<never> {
  endWithParent();
  const job = jobSchema.parse(JSON.parse(process.env[CLIENT_JOB_VARIABLE] ?? ""));
  const client = l2Client(job.rpcUrl);
  const senders = job.privateKeys.map((key) => createSender(client, privateKeyToAccount(key)));
  const step = createStep(job);
  let due = performance.now();
  for (let turn = 0; ; turn++) {
    const sender = senders[turn % senders.length];
    if (sender === undefined) throw new RangeError("a job has at least one key");
    try {
      await step(sender);
    } catch (error) {
      // The sequencer restarts or is busy; its nonce and fee are asked anew.
      process.stderr.write(`${new Date().toISOString()} ${firstLine(error)}\n`);
      await delay(RETRY_DELAY_MS);
    }
    due = Math.max(due + job.intervalMs, performance.now());
    await delay(due - performance.now());
  }
}
