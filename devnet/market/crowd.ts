/**
 * The crowd as a process: many accounts, each with one transaction on its way, and the next one
 * sent when that is in a block. Blocks are full as long as it runs; who offers little waits.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { endWithParent } from "../client-process.ts";
import { firstLine } from "../devnet-error.ts";
import { createRandom } from "../random-walk.ts";
import {
  CROWD_JOB_VARIABLE,
  CROWDED_LEDGER,
  crowdJobSchema,
  crowdTip,
  crowdWallets,
  WORK_CALLDATA,
  WORK_GAS,
} from "./crowd-plan.ts";
import { connect } from "./exchange.ts";
import type { Wallet } from "./wallet.ts";

/** A turn of the crowd, and how many send in it: at most a thousand a second. */
const TURN_MS = 10;
const SENT_A_TURN = 10;

endWithParent();

const { wsUrl, seed } = crowdJobSchema.parse(JSON.parse(process.env[CROWD_JOB_VARIABLE] ?? ""));
const client = connect(wsUrl);
const random = createRandom(seed);
const idle: Wallet[] = [...crowdWallets()];
const onTheirWay = new Map<Hex, Wallet>();

function send(wallet: Wallet): void {
  const { raw, hash } = wallet.sign({
    ...{ to: CROWDED_LEDGER, data: WORK_CALLDATA, gas: WORK_GAS, tipWei: crowdTip(random) },
  });
  onTheirWay.set(hash, wallet);
  client
    .sendRawTransaction({ serializedTransaction: raw })
    .then(() => {
      wallet.nonce += 1;
    })
    .catch((error: unknown) => {
      // Refused: the same nonce goes again, with another tip.
      process.stderr.write(`${firstLine(error)}\n`);
      if (onTheirWay.delete(hash)) idle.push(wallet);
    });
}

client.watchBlocks({
  onBlock: ({ transactions }) => {
    for (const hash of transactions) {
      const wallet = onTheirWay.get(hash);
      if (wallet !== undefined) idle.push(wallet);
      onTheirWay.delete(hash);
    }
  },
  onError: (error) => {
    process.stderr.write(`${firstLine(error)}\n`);
    process.exit(1);
  },
});
setInterval(() => {
  for (const wallet of idle.splice(0, SENT_A_TURN)) send(wallet);
}, TURN_MS);
