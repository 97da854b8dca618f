import { createServer } from "node:net";
import t from "tap";
import {
  checkPortsFree,
  findFreeBase,
  isPortFree,
  namedPorts,
  planPorts,
} from "../../devnet/ports.ts";

t.test("the documented ports follow from the default base", async (t) => {
  const plan = planPorts(8545, 2);
  t.equal(plan.l1, 8545);
  t.same(plan.sequencer, { rpc: 9545, p2p: 10_545 });
  t.same(plan.followers, [
    { rpc: 9546, p2p: 10_546 },
    { rpc: 9547, p2p: 10_547 },
  ]);
  const ports = namedPorts(plan).map(({ port }) => port);
  t.equal(new Set(ports).size, 7, "no port twice");
});

t.test("a busy port is one line that names it and what it is for", async (t) => {
  const plan = planPorts(await findFreeBase(1), 1);
  await checkPortsFree(plan);
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(plan.sequencer.rpc, "127.0.0.1", resolve);
  });
  t.teardown(() => server.close());
  t.equal(await isPortFree(plan.sequencer.rpc), false);
  await t.rejects(checkPortsFree(plan), {
    name: "DevnetError",
    message: new RegExp(`^port ${plan.sequencer.rpc} \\(sequencer RPC\\) .*--port-base$`),
  });
});
