/** The devnet's two chains as viem clients see them, and how its endpoints are spelled. */
import {
  type Chain,
  createPublicClient,
  defineChain,
  http,
  type HttpTransport,
  type PublicClient,
} from "viem";
import { LOOPBACK } from "./ports.ts";

export const L1_CHAIN_ID = 900;
export const L2_CHAIN_ID = 901;

const RPC_TIMEOUT_MS = 5_000;
const ETHER = { name: "Ether", symbol: "ETH", decimals: 18 };

/** Loopback HTTP endpoint. */
export function httpUrl(port: number): string {
  return `http://${LOOPBACK}:${port}`;
}

/** Loopback WebSocket endpoint. */
export function wsUrl(port: number): string {
  return `ws://${LOOPBACK}:${port}`;
}

export function l1Chain(rpcUrl: string): Chain {
  return defineChain({
    id: L1_CHAIN_ID,
    name: "Pricelane devnet L1",
    nativeCurrency: ETHER,
    rpcUrls: { default: { http: [rpcUrl] } },
  });
}

export function l2Chain(rpcUrl: string): Chain {
  return defineChain({
    id: L2_CHAIN_ID,
    name: "Pricelane devnet",
    nativeCurrency: ETHER,
    rpcUrls: { default: { http: [rpcUrl] } },
  });
}

/** Errors arrive at once: who polls decides whether to ask again. */
export function httpTransport(rpcUrl: string): HttpTransport {
  return http(rpcUrl, { retryCount: 0, timeout: RPC_TIMEOUT_MS });
}

export type Client = PublicClient<HttpTransport, Chain>;

export function l1Client(rpcUrl: string): Client {
  return createPublicClient({ chain: l1Chain(rpcUrl), transport: httpTransport(rpcUrl) });
}

export function l2Client(rpcUrl: string): Client {
  return createPublicClient({ chain: l2Chain(rpcUrl), transport: httpTransport(rpcUrl) });
}
