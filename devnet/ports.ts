/**
 * Which ports the devnet listens on: one base, fixed distances. Loopback only.
 * L1 = base, sequencer = base + 1000, followers from base + 1001, p2p the same from base + 2000.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { DevnetError } from "./devnet-error.ts";

export const LOOPBACK = "127.0.0.1";
export const PORT_BASE_DEFAULT = 8545;
const RPC_OFFSET = 1000;
const P2P_OFFSET = 2000;
const PORT_MAX = 65_535;
export const FOLLOWERS_MAX = 16;
/** Highest base that leaves room for every port. */
export const PORT_BASE_MAX = PORT_MAX - P2P_OFFSET - FOLLOWERS_MAX - 1;

/** Below the range from which Linux takes the ports of outgoing connections. */
const FREE_BASE_RANGE = [12_000, 28_000] as const;
const FREE_BASE_TRIES_MAX = 64;

export interface NodePorts {
  /** HTTP and WebSocket. */
  readonly rpc: number;
  readonly p2p: number;
}

export interface PortPlan {
  readonly base: number;
  readonly l1: number;
  readonly sequencer: NodePorts;
  readonly followers: readonly NodePorts[];
}

/** The ports for this base. */
export function planPorts(base: number, followers: number): PortPlan {
  const at = (place: number): NodePorts => ({
    rpc: base + RPC_OFFSET + place,
    p2p: base + P2P_OFFSET + place,
  });
  return {
    base,
    l1: base,
    sequencer: at(0),
    followers: Array.from({ length: followers }, (_, index) => at(index + 1)),
  };
}

/** Every port of the plan with the name of who listens on it. */
export function namedPorts(plan: PortPlan): readonly { readonly port: number; name: string }[] {
  return [
    { port: plan.l1, name: "L1" },
    { port: plan.sequencer.rpc, name: "sequencer RPC" },
    { port: plan.sequencer.p2p, name: "sequencer p2p" },
    ...plan.followers.flatMap((ports, index) => [
      { port: ports.rpc, name: `follower ${index + 1} RPC` },
      { port: ports.p2p, name: `follower ${index + 1} p2p` },
    ]),
  ];
}

/** Throws one line that names every busy port of the plan. */
export async function checkPortsFree(plan: PortPlan): Promise<void> {
  const busy: string[] = [];
  for (const { port, name } of namedPorts(plan))
    if (!(await isPortFree(port))) busy.push(`${port} (${name})`);
  if (busy.length > 0)
    throw new DevnetError(
      `port ${busy.join(", ")} on ${LOOPBACK} is in use: stop what listens there, or choose other ports with --port-base`,
    );
}

/** A base whose ports are all free now. */
export async function findFreeBase(followers: number): Promise<number> {
  for (let attempt = 0; attempt < FREE_BASE_TRIES_MAX; attempt++) {
    const base = randomInt(...FREE_BASE_RANGE);
    const free = await Promise.all(
      namedPorts(planPorts(base, followers)).map(({ port }) => isPortFree(port)),
    );
    if (free.every(Boolean)) return base;
  }
  throw new DevnetError(`found no free ports on ${LOOPBACK} in ${FREE_BASE_TRIES_MAX} tries`);
}

/** Whether a server can listen on the port at this moment. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(false);
      else reject(error);
    });
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
