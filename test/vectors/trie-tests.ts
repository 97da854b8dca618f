/**
 * TrieTests: contents and the root they have, through the hashed trie: all at once, and one key
 * after the other with every node stored and read again in between.
 */
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import type { TrieUpdate } from "../../node/execution/embedded/trie-update.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import { createTrieRig } from "../execution/fixtures/trie-rig.ts";
import { compare, every, type Outcome } from "./outcome.ts";
import { hasMembers } from "./shape.ts";

type Text = string | null;

interface TrieTest {
  /** Pairs in the order to apply, or an object whose order must not matter; `null` deletes. */
  readonly in: readonly (readonly [string, Text])[] | Readonly<Record<string, Text>>;
  readonly root: Hex;
}

const OWNER = new Uint8Array(0);

export function isTrieTest(test: unknown): test is TrieTest {
  return hasMembers(test, "in", "root");
}

/** `secure` hashes the keys first, as the account and storage tries do. */
export function runTrieTest(test: TrieTest, secure: boolean): Outcome {
  const ordered = Array.isArray(test.in);
  const pairs: readonly (readonly [string, Text])[] = ordered
    ? (test.in as readonly (readonly [string, Text])[])
    : Object.entries(test.in as Readonly<Record<string, Text>>);
  const updates = pairs.map(([key, value]) => {
    const bytes = textBytes(key);
    return {
      key: secure ? keccak256(bytes) : bytes,
      value: value === null ? null : textBytes(value),
    };
  });
  const orders = ordered ? [updates] : [updates, [...updates].reverse()];
  return every(
    ...orders.flatMap((order) => [
      compare("root at once", rootAtOnce(order), test.root),
      compare("root in steps", rootInSteps(order), test.root),
    ]),
  );
}

function textBytes(text: string): Uint8Array {
  return text.startsWith("0x") ? fromHex(text as Hex) : new TextEncoder().encode(text);
}

function rootAtOnce(updates: readonly TrieUpdate[]): Hex {
  return createTrieRig(OWNER).update(updates);
}

/** The last root; throws where a stored node is not what its parent says, or one is left over. */
function rootInSteps(updates: readonly TrieUpdate[]): Hex {
  const rig = createTrieRig(OWNER);
  for (const update of updates) {
    rig.update([update]);
    rig.seal();
    rig.commit();
    rig.discard();
  }
  const root = toHex(rig.trie().root());
  rig.trie().clear();
  rig.seal();
  rig.commit();
  if (rig.store.nodes.size !== 0) throw new Error("nodes are left over in the store");
  return root;
}
