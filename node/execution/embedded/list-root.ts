/**
 * Root of a block's transactions or receipts: the trie with `rlp(index)` keys, never stored.
 * Source: yellow paper 4.3.2.
 */
import { RLP } from "@ethereumjs/rlp";
import { type Hex, toHex } from "../../../lanes/bytes.ts";
import { createScope } from "./trie-source.ts";
import { EMPTY_ROOT, openTrie } from "./trie.ts";

const NO_OWNER = new Uint8Array(0);

export interface ListTrie {
  /** Values behind those before; none is empty. */
  add(values: readonly Uint8Array[]): void;
  root(): Hex;
}

/** An empty list. */
export function createListTrie(): ListTrie {
  const trie = openTrie(createScope({ node: () => null }), NO_OWNER, EMPTY_ROOT);
  let count = 0;
  return {
    add(values) {
      trie.update(values.map((value) => ({ key: RLP.encode(count++), value })));
    },
    root: () => toHex(trie.root()),
  };
}

/** Root of the values in their order; none is empty. */
export function listRoot(values: readonly Uint8Array[]): Hex {
  const list = createListTrie();
  list.add(values);
  return list.root();
}
