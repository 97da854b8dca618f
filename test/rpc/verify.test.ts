/** `pricelane verify` on files and on the answers of a node that nobody has to trust. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { inclusionReceipts } from "../../lanes/inclusion.ts";
import { admissionReceiptToJson, inclusionReceiptToJson } from "../../lanes/receipt-json.ts";
import { policyJson } from "../lanes/fixtures/policy.ts";
import { admitted, executed, signedFlashblock, TRUST, txHash } from "../lanes/fixtures/promises.ts";
import { testRollup } from "../sequencer/fixtures/rig.ts";

const MAIN = fileURLToPath(new URL("../../rpc/main.js", import.meta.url));
/** More than any receipt or block has. */
const FLOOD_BYTES = 33 * 1024 * 1024;

const included = (change = {}): unknown =>
  inclusionReceiptToJson(inclusionReceipts(signedFlashblock(executed(4, change))).receipt(1));

interface Bench {
  verify(...args: string[]): Promise<string>;
  file(name: string, content: unknown): Promise<string>;
}

async function bench(t: Test): Promise<Bench> {
  const dir = t.testdir();
  const file = async (name: string, content: unknown): Promise<string> => {
    const text = typeof content === "string" ? content : JSON.stringify(content, asText);
    await writeFile(join(dir, name), text);
    return join(dir, name);
  };
  const policy = policyJson();
  const config = { ...testRollup({ ...policy }), sequencer: TRUST.sequencer };
  const rollup = await file("rollup.json", config);
  return {
    file,
    async verify(...args) {
      const all = [MAIN, "verify", "receipt", ...args, "--rollup", rollup];
      return (await promisify(execFile)(process.execPath, all, { timeout: 60_000 })).stdout;
    },
  };
}

const asText = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? String(value) : value;

/** A node that answers every request with this. */
async function answering(t: Test, body: string): Promise<string> {
  const server = createServer((_request, response) => response.end(body)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test("what contradicts each other is said, with what only L1 can say of it", async (t) => {
  const { verify, file } = await bench(t);
  const one = await file("one.json", included());
  const two = await file("two.json", included({ timestampMs: 1_700_000_000_501 }));
  t.match(await verify(one, two), /EVIDENCE E1: .* counts if L1 block 10 \(.*\) is canonical/);
  const later = included({ l1OriginNumber: 11, l1OriginHash: txHash(777) });
  const moved = await file("moved.json", later);
  t.match(await verify(one, moved), /EVIDENCE E1: .* 10 \(.*\) and 11 \(.*\) are both canonical/);
  const reorged = await file("reorged.json", included({ l1OriginHash: txHash(777) }));
  t.match(await verify(one, reorged), /do not contradict each other/, "L1 has one block 10");
});

t.test("a node's answer is what was asked for, and not longer than it can be", async (t) => {
  const { verify, file } = await bench(t);
  const result = admissionReceiptToJson(admitted(4, 0));
  const url = await answering(t, JSON.stringify({ jsonrpc: "2.0", id: 1, result }, asText));
  t.match(await verify(txHash(0), "--url", url), /Holds: 0x0+1 was taken into the fast lane/);
  const another = { code: 1, stderr: /RECEIPT_INVALID.*hash/ };
  await t.rejects(verify(txHash(1), "--url", url), another);
  const flood = await answering(t, " ".repeat(FLOOD_BYTES));
  const long = { code: 2, stderr: /CONFIG_INVALID.*at most 33554432 bytes/ };
  await t.rejects(verify(txHash(0), "--url", flood), long);
  await t.rejects(verify(await file("long.json", " ".repeat(FLOOD_BYTES))), long);
});
