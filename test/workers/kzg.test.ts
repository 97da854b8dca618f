/** The KZG service in a process that has its module in several threads, as a node has. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import t from "tap";

/** The fault that this guards against ended 5 of 8 such processes. */
const PROCESSES = 3;
const CHILD = fileURLToPath(new URL("./fixtures/kzg-threads.js", import.meta.url));

t.setTimeout(180_000);

t.test("a thread computes sidecars while another has the module too", (t) => {
  for (let i = 0; i < PROCESSES; i++) {
    const { status, signal, stdout } = spawnSync(process.execPath, [CHILD], { encoding: "utf8" });
    t.same({ status, signal, stdout }, { status: 0, signal: null, stdout: "done\n" });
  }
  t.end();
});
