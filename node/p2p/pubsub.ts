import "core-js/actual/promise/with-resolvers.js";
/**
 * GossipSub as Pricelane runs it: one topic, no libp2p authors (the block's own signature is the
 * check), snappy inside the message, ids by content, every limit set.
 *
 * Peers that the operator configured are not GossipSub's "direct peers": those must be listed on
 * both sides, else the unlisted side's GRAFT is refused and a second hop gets its blocks only by
 * gossip. They get a score bonus instead, which keeps them in the mesh, and this node redials them
 * (`peers.ts`). Scores: libp2p/specs gossipsub-v1.1, "peer scoring".
 */
import { createHash } from "node:crypto";
import { type GossipsubOpts, StrictNoSign } from "@chainsafe/libp2p-gossipsub";
import { NodeError } from "../errors.ts";
import { BLOCK_BYTES_MAX } from "../primitives/block.ts";
import { BLOCK_FRAME_BYTES_MAX, blocksTopic } from "./messages.ts";
import { compress, decompress } from "./snappy.ts";

/**
 * One RPC frame: the sender's own limit in this version of GossipSub, some of the largest blocks.
 */
const RPC_BYTES_MAX = 4 * 1024 * 1024;
/** Unsent bytes to a peer before its stream is reset: a peer that does not read costs this much. */
const OUTBOUND_BUFFER_BYTES_MAX = 8 * 1024 * 1024;
const MESSAGE_ID_BYTES = 20;

/** Below this a peer's messages are not looked at. */
export const GRAYLIST_SCORE = -80;
/** One invalid message: past the graylist for some seconds; several: for minutes. */
const INVALID_MESSAGE_WEIGHT = -100;
const INVALID_MESSAGE_DECAY = 0.99;

/** Options for one chain. `peerScore` is added to what GossipSub counts itself (P5). */
export function pubsubOptions(
  chainId: number,
  peerScore: (peerId: string) => number,
): Partial<GossipsubOpts> {
  const topic = blocksTopic(chainId);
  return {
    globalSignaturePolicy: StrictNoSign,
    allowedTopics: [topic],
    fallbackToFloodsub: false,
    floodPublish: true,
    doPX: false,
    emitSelf: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    awaitRpcHandler: true,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    maxInboundDataLength: RPC_BYTES_MAX,
    maxOutboundBufferSize: OUTBOUND_BUFFER_BYTES_MAX,
    maxTopicBytesPerPeer: 8 * 1024,
    decodeRpcLimits: {
      maxSubscriptions: 16,
      maxMessages: 16,
      maxIhaveMessageIDs: 256,
      maxIwantMessageIDs: 256,
      maxIdontwantMessageIDs: 256,
      maxControlMessages: 32,
      maxPeerInfos: 16,
    },
    msgIdFn: (message) =>
      createHash("sha256")
        .update(message.topic)
        .update(message.data)
        .digest()
        .subarray(0, MESSAGE_ID_BYTES),
    // Of the bytes as sent: a repeated message is known before it is decompressed.
    fastMsgIdFn: (message) =>
      createHash("sha256")
        .update(message.data ?? new Uint8Array(0))
        .digest("base64"),
    dataTransform: { inboundTransform, outboundTransform: (_topic, data) => compress(data) },
    ...scoring(topic, peerScore),
  };
}

function inboundTransform(_topic: string, data: Uint8Array): Uint8Array {
  if (data.length > BLOCK_FRAME_BYTES_MAX)
    throw new NodeError("BLOCK_TOO_LARGE", { bytes: data.length });
  const block = decompress(data, BLOCK_BYTES_MAX);
  // GossipSub's interface: a transform that throws makes the message invalid and costs its sender.
  if (!block.ok) throw new NodeError(block.code, block.data);
  return block.value;
}

function scoring(
  topic: string,
  peerScore: (peerId: string) => number,
): Pick<GossipsubOpts, "scoreParams" | "scoreThresholds"> {
  return {
    scoreParams: {
      topics: {
        [topic]: {
          topicWeight: 1,
          timeInMeshWeight: 0.01,
          timeInMeshQuantum: 1000,
          timeInMeshCap: 100,
          firstMessageDeliveriesWeight: 0.2,
          firstMessageDeliveriesDecay: 0.99,
          firstMessageDeliveriesCap: 20,
          // Off: a chain without traffic still makes blocks, but a stopped one would punish
          // everybody.
          meshMessageDeliveriesWeight: 0,
          meshMessageDeliveriesDecay: 0.5,
          meshMessageDeliveriesCap: 1,
          meshMessageDeliveriesThreshold: 1,
          meshMessageDeliveriesWindow: 10,
          meshMessageDeliveriesActivation: 5000,
          meshFailurePenaltyWeight: 0,
          meshFailurePenaltyDecay: 0.5,
          invalidMessageDeliveriesWeight: INVALID_MESSAGE_WEIGHT,
          invalidMessageDeliveriesDecay: INVALID_MESSAGE_DECAY,
        },
      },
      appSpecificScore: peerScore,
      appSpecificWeight: 1,
      IPColocationFactorWeight: -10,
      IPColocationFactorThreshold: 8,
      // Everything on loopback is the operator's own: a devnet is many nodes on one address.
      IPColocationFactorWhitelist: new Set(["127.0.0.1", "::1"]),
      behaviourPenaltyWeight: -10,
      behaviourPenaltyThreshold: 2,
      behaviourPenaltyDecay: 0.95,
      retainScore: 10 * 60 * 1000,
    },
    scoreThresholds: {
      gossipThreshold: -20,
      publishThreshold: -50,
      graylistThreshold: GRAYLIST_SCORE,
    },
  };
}
