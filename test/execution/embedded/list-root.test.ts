import { createMPT } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import t from "tap";
import { toHex } from "../../../lanes/bytes.ts";
import { listRoot } from "../../../node/execution/embedded/list-root.ts";

t.test("list roots equal the reference's, for many lengths", async (t) => {
  for (const length of [0, 1, 2, 16, 17, 127, 128, 129, 300]) {
    const values = Array.from({ length }, (_, i) => new Uint8Array(1 + (i % 60)).fill(i & 0xff));
    const reference = await createMPT();
    for (const [index, value] of values.entries()) await reference.put(RLP.encode(index), value);
    t.equal(listRoot(values), toHex(reference.root()), `${length} values`);
  }
});
