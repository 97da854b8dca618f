/**
 * What servers of the RPC thread have in common: the times that a connection has, where it listens,
 * the port it got, and errors that name the setting.
 */
import type { FastifyInstance } from "fastify";
import { NodeError } from "../node/errors.ts";
import type { RpcLimits } from "./limits.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

export type ConnectionTimes = Pick<
  RpcLimits,
  "idleTimeoutMs" | "requestTimeoutMs" | "headersTimeoutMs" | "timeoutCheckMs"
>;

/** Options of fastify: connections have these times, and stopping ends them. */
export function connectionOptions(times: ConnectionTimes) {
  return {
    logger: false,
    connectionTimeout: times.idleTimeoutMs,
    keepAliveTimeout: times.idleTimeoutMs,
    requestTimeout: times.requestTimeoutMs,
    forceCloseConnections: true,
    http: {
      headersTimeout: times.headersTimeoutMs,
      connectionsCheckingInterval: times.timeoutCheckMs,
    },
  } as const;
}

/**
 * Listens and returns the port. Errors: `PORT_BUSY`; `CONFIG_INVALID` under `hostKey` for a host
 * that is not this machine's.
 */
export async function listen(
  app: FastifyInstance,
  { host, port }: ListenOptions,
  hostKey: string,
): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "EADDRINUSE" || code === "EACCES")
      throw new NodeError("PORT_BUSY", { port, host }, cause);
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      const expected = "an address of this machine";
      throw new NodeError("CONFIG_INVALID", { key: hostKey, expected }, cause);
    }
    throw cause;
  }
  const address = app.server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}
