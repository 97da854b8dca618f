/**
 * `lanes/` in a bare JavaScript realm: what the language has, and nothing else. What holds here
 * holds there; so a browser, or any other host, can check a sequencer with the same code.
 */
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import t from "tap";
import { inclusionReceipts } from "../../lanes/inclusion.ts";
import { admissionReceiptToJson, inclusionReceiptToJson } from "../../lanes/receipt-json.ts";
import { policyJson } from "./fixtures/policy.ts";
import { feedPolicyJson } from "./fixtures/reports.ts";
import { scene } from "./fixtures/planted-violations.ts";
import { admitted, executed, signedFlashblock, TRUST } from "./fixtures/promises.ts";

const LANES = fileURLToPath(new URL("../../lanes/", import.meta.url));
const PARTS = [
  "policy",
  "classify",
  "verify",
  "admission",
  "inclusion",
  "receipt-json",
  "evidence",
];
const MORE = ["block-json", "queue", "budget", "order", "flashblock-leaves"];

/** All of `lanes/` that a host uses, as one script that sets `lanes`. */
async function bundle(): Promise<string> {
  const contents = [...PARTS, ...MORE].map((part) => `export * from "./${part}.js";`).join("\n");
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: LANES },
    bundle: true,
    write: false,
    format: "iife",
    globalName: "lanes",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
  });
  return outputFiles[0]?.text ?? "";
}

t.test("a bare realm judges as this one does", async (t) => {
  const script = await bundle();
  t.ok(script.length > 10_000);
  t.notMatch(script, /\brequire\(|node:/, "nothing of a host is asked for");
  const recovered: string[] = [];
  const realm = createContext({
    // The one thing that is passed in: who made a signature.
    recover: (digest: Uint8Array, signature: Uint8Array) => {
      const signer = TRUST.recover(Uint8Array.from(digest), Uint8Array.from(signature));
      recovered.push(signer ?? "nobody");
      return signer;
    },
    receipts: JSON.stringify([
      admissionReceiptToJson(admitted(5, 2)),
      inclusionReceiptToJson(inclusionReceipts(signedFlashblock(executed(6))).receipt(1)),
    ]),
    trust: JSON.stringify({ domain: TRUST.domain, term: TRUST.term, sequencer: TRUST.sequencer }),
    policy: JSON.stringify(policyJson()),
    block: scene(),
    blockPolicy: JSON.stringify(feedPolicyJson()),
  });
  const run = (code: string): unknown =>
    JSON.parse(runInContext(`${script};JSON.stringify((() => {${code}})())`, realm) as string);
  const globals = run("return Object.getOwnPropertyNames(globalThis)") as string[];
  for (const host of ["process", "Buffer", "TextEncoder", "crypto", "setTimeout"])
    t.notOk(globals.includes(host), host);
  const checked = run(`
    const rules = lanes.parsePolicy(JSON.parse(policy)).value;
    const trustIn = { ...JSON.parse(trust), policy: rules, recover };
    return JSON.parse(receipts).map((json, at) => {
      const { type, receipt } = lanes.parseReceipt(json).value;
      const check = type === "admission" ? lanes.checkAdmissionReceipt : lanes.checkInclusionReceipt;
      const broken = { ...receipt, index: receipt.index + 1 };
      return [check(receipt, trustIn).ok, check(broken, trustIn).ok];
    });
  `);
  t.same(checked, [
    [true, false],
    [true, false],
  ]);
  t.same(recovered, [TRUST.sequencer, TRUST.sequencer]);
  const verdict = run(`
    const { value } = lanes.parsePolicy(JSON.parse(blockPolicy));
    const judge = (laneData) =>
      lanes.verifyLanes(block.block, laneData, value, block.state, recover);
    const { ok, value: result } = judge(block.laneData);
    const cheated = { ...block.laneData, numbers: [...block.laneData.numbers].reverse() };
    return [ok, result.orderHashes.length, judge(cheated).code];
  `);
  t.match(verdict, [true, 2, /^[A-Z_]+$/]);
});
