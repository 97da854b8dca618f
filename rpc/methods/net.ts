/** `net_*`, `web3_*` and `txpool_*`: who this node is and what it holds. */
import { keccakHex } from "../../node/primitives/hash.ts";
import { quantity } from "../codec.ts";
import type { RpcContext } from "../context.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { method, type Methods } from "../method.ts";
import { bytesParam } from "../params.ts";

export function createNetMethods(context: RpcContext): Methods {
  const { node, rollup } = context;
  return {
    net_version: method([], () => String(rollup.chainId)),
    net_listening: method([], () => true),
    net_peerCount: method([], async () => quantity(await node.peerCount())),
    web3_clientVersion: method([], () => context.clientVersion),
    web3_sha3: method([bytesParam("data", DEFAULT_LIMITS.bodyBytesMax)], ([data]) =>
      keccakHex(data),
    ),
    txpool_status: method([], async () => {
      const { pending, queued } = await node.poolStatus();
      return { pending: quantity(pending), queued: quantity(queued) };
    }),
  };
}
