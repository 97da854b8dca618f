/**
 * Light background traffic as a process: small transfers between fresh addresses, one at a time.
 */
import { toHex } from "../lanes/bytes.ts";
import { runClient } from "./client-process.ts";
import { createRandom } from "./random-walk.ts";

const TRANSFER_GAS = 21_000n;
const VALUE_MAX_GWEI = 1_000_000;
const GWEI = 1_000_000_000n;

await runClient(({ seed }) => {
  const random = createRandom(seed);
  return async (sender) => {
    const to = toHex(Uint8Array.from({ length: 20 }, () => Math.floor(random() * 256)));
    const value = BigInt(1 + Math.floor(random() * VALUE_MAX_GWEI)) * GWEI;
    await sender.send({ to, value, gas: TRANSFER_GAS });
  };
});
