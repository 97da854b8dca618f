import fc from "fast-check";
import t from "tap";
import {
  concatHex,
  encodeAbiParameters,
  type Hex,
  keccak256,
  numberToHex,
  stringToHex,
} from "viem";
import { u64 } from "../../lanes/abi.ts";
import { leafHashes, TreeBuilder, TreePaths, treePathHolds, treeRoot } from "../../lanes/tree.ts";

/** RFC 6962's split, which is another way to say "an odd node moves up". */
function naiveTop(leaves: readonly Hex[]): Hex {
  if (leaves.length === 0) return `0x${"00".repeat(32)}`;
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return keccak256(
    concatHex(["0x01", naiveTop(leaves.slice(0, split)), naiveTop(leaves.slice(split))]),
  );
}

function naiveRoot(name: string, values: readonly number[]): Hex {
  const leaves = values.map((value, index) => {
    const types = [{ type: "bytes32" }, { type: "uint64" }, { type: "uint64" }] as const;
    const fields = [keccak256(stringToHex(name)), BigInt(index), BigInt(value)] as const;
    return keccak256(concatHex(["0x00", encodeAbiParameters(types, fields)]));
  });
  const count = numberToHex(values.length, { size: 8 });
  return keccak256(concatHex(["0x02", count, naiveTop(leaves)]));
}

const leavesOf = (values: readonly number[]) => values.map((value) => [u64(value)]);

t.test("the root is the one of the definition", async (t) => {
  for (let count = 0; count <= 20; count++) {
    const values = Array.from({ length: count }, (_, index) => index * index);
    t.equal(treeRoot("laneRoot", leavesOf(values)), naiveRoot("laneRoot", values), String(count));
  }
});

t.test("name, order and count are part of the root", async (t) => {
  const root = treeRoot("laneRoot", leavesOf([1, 2, 3]));
  t.not(treeRoot("resultRoot", leavesOf([1, 2, 3])), root);
  t.not(treeRoot("laneRoot", leavesOf([2, 1, 3])), root);
  t.not(treeRoot("laneRoot", leavesOf([1, 2, 3, 3])), root);
  t.not(treeRoot("laneRoot", leavesOf([1, 2])), root);
});

t.test("a tree that grows leaf by leaf has the same root after each", (t) => {
  const builder = new TreeBuilder();
  const values: number[] = [];
  for (let count = 0; count <= 300; count++) {
    t.equal(builder.root(), treeRoot("laneRoot", leavesOf(values)), `${count} leaves`);
    values.push(count);
    const added = leafHashes("laneRoot", leavesOf(values)).at(-1);
    if (added !== undefined) builder.add(added);
  }
  t.equal(builder.count, 301);
  t.end();
});

t.test("a path proves its own leaf and nothing else", async (t) => {
  const tree = fc
    .array(fc.nat(1000), { minLength: 1, maxLength: 40 })
    .chain((values) => fc.tuple(fc.constant(values), fc.nat(values.length - 1), fc.nat(64)));
  fc.assert(
    fc.property(tree, ([values, index, other]) => {
      const treeName = "laneRoot";
      const leaves = leavesOf(values);
      const path = new TreePaths(leafHashes(treeName, leaves)).path(index);
      const root = treeRoot(treeName, leaves);
      const claim = { treeName, root, count: values.length, index, leaf: leaves[index]! };
      t.ok(treePathHolds(claim, path));
      t.notOk(treePathHolds({ ...claim, treeName: "resultRoot" }, path));
      t.notOk(treePathHolds({ ...claim, leaf: [u64(1001)] }, path));
      t.notOk(treePathHolds({ ...claim, count: values.length + 1 }, path));
      t.notOk(treePathHolds({ ...claim, root: `0x${"00".repeat(32)}` }, path));
      t.notOk(treePathHolds(claim, [...path, root]), "a longer path");
      if (path.length > 0) t.notOk(treePathHolds(claim, path.slice(1)), "a shorter path");
      if (other !== index) t.notOk(treePathHolds({ ...claim, index: other }, path));
    }),
    { numRuns: 500 },
  );
  t.notOk(treePathHolds({ treeName: "x", root: "0x", count: 1, index: 0.5, leaf: [] }, []));
  t.throws(() => new TreePaths(leafHashes("x", leavesOf([1]))).path(1), RangeError);
});
