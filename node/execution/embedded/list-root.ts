/**
 * Root of a block's transactions or receipts: the trie with `rlp(index)` keys, never stored.
 * Source: yellow paper 4.3.2.
 */
import { RLP } from "@ethereumjs/rlp";
import { type Hex, toHex } from "../../../lanes/bytes.ts";
import { createScope } from "./trie-source.ts";
import { EMPTY_ROOT, openTrie } from "./trie.ts";

const NO_OWNER = new Uint8Array(0);

/** Root of the values in their order; none is empty. */
export function listRoot(values: readonly Uint8Array[]): Hex {
  const trie = openTrie(createScope({ node: () => null }), NO_OWNER, EMPTY_ROOT);
  trie.update(values.map((value, index) => ({ key: RLP.encode(index), value })));
  return toHex(trie.root());
}
