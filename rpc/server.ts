/**
 * HTTP and WebSocket on one port. Owns sockets, their caps and timeouts, CORS and status codes.
 * Does not own JSON-RPC (`dispatch.ts`).
 *
 * A body over the limit is refused before it is parsed: 413. JSON-RPC errors are answered with 200,
 * as geth does, because libraries read the body only then. Any web page may call: the server holds
 * no keys and no session, so a wallet in a browser needs no permission (CORS `*`).
 */
import type { Socket } from "node:net";
import { fastify, type FastifyInstance, type FastifyReply } from "fastify";
import type { Logger } from "../node/log.ts";
import { type Dispatcher, errorAnswer } from "./dispatch.ts";
import { rpcError } from "./error.ts";
import type { RpcLimits } from "./limits.ts";
import { connectionOptions, listen, type ListenOptions } from "./listen.ts";
import type { Subscriber } from "./method.ts";
import { createWsServer, type WsServer } from "./ws.ts";

export interface RpcServerOptions extends ListenOptions {
  readonly limits: RpcLimits;
}

export interface RpcServerDeps {
  readonly dispatcher: Dispatcher;
  readonly log: Logger;
  /** A WebSocket connection ended. */
  readonly onClosed: (subscriber: Subscriber) => void;
}

export interface RpcServer {
  /** Listens and returns the port. Throws `PORT_BUSY`. */
  start(): Promise<number>;
  /** Ends every connection. */
  stop(): Promise<void>;
  connections(): { readonly sockets: number; readonly webSockets: number };
}

const CORS_HEADERS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "POST, OPTIONS",
  "access-control-allow-headers": "*",
  "access-control-max-age": "86400",
} as const;

/** Creates the server of one RPC thread. */
export function createRpcServer(options: RpcServerOptions, deps: RpcServerDeps): RpcServer {
  const { limits } = options;
  const app = fastify({ ...connectionOptions(limits), bodyLimit: limits.bodyBytesMax });
  app.server.maxConnections = limits.connectionsMax;
  const sockets = capPerIp(app, limits.connectionsPerIpMax);
  const ws = createWsServer({ dispatcher: deps.dispatcher, limits, onClosed: deps.onClosed });
  addRoutes(app, deps, limits);
  acceptUpgrades(app, ws);

  return {
    start: () => listen(app, options, "rpc.host"),
    async stop() {
      ws.stop();
      await app.close();
    },
    connections: () => ({ sockets: sockets(), webSockets: ws.connections() }),
  };
}

/** Closes connections over an address's share; returns the count of open ones. */
function capPerIp(app: FastifyInstance, perIpMax: number): () => number {
  const byIp = new Map<string, number>();
  let open = 0;
  app.server.on("connection", (socket: Socket) => {
    const ip = socket.remoteAddress ?? "";
    const count = byIp.get(ip) ?? 0;
    if (count >= perIpMax) {
      socket.destroy();
      return;
    }
    open++;
    byIp.set(ip, count + 1);
    socket.once("close", () => {
      open--;
      const left = (byIp.get(ip) ?? 1) - 1;
      if (left === 0) byIp.delete(ip);
      else byIp.set(ip, left);
    });
  });
  return () => open;
}

function acceptUpgrades(app: FastifyInstance, ws: WsServer): void {
  app.server.on("upgrade", (request, socket, head) => {
    ws.upgrade(request, socket, head);
  });
}

function addRoutes(app: FastifyInstance, { dispatcher, log }: RpcServerDeps, limits: RpcLimits) {
  // Whatever the content type says, the body is bytes until it has passed the size limit.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });
  app.addHook("onRequest", (_request, reply, done) => {
    void reply.headers(CORS_HEADERS);
    done();
  });
  app.options("/*", (_request, reply) => reply.code(204).send());
  app.post("/", async (request, reply) => {
    const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
    const answer = await dispatcher.dispatch(body, null);
    return answer === null ? reply.code(204).send() : sendJson(reply, 200, answer);
  });
  app.setNotFoundHandler((request, reply) =>
    request.url.split("?", 1)[0] === "/"
      ? sendJson(reply.header("allow", "POST, OPTIONS"), 405, notAllowed("POST requests only"))
      : sendJson(reply, 404, notAllowed("the path is /")),
  );
  app.setErrorHandler((error: { statusCode?: number; message?: string }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status === 413) {
      const tooLarge = rpcError("REQUEST_TOO_LARGE", { bytesMax: limits.bodyBytesMax });
      return sendJson(reply, status, errorAnswer(null, tooLarge));
    }
    if (status < 500)
      return sendJson(reply, status, notAllowed("not an HTTP request for JSON-RPC"));
    log.error("http request failed", { error: error.message ?? "" });
    return sendJson(reply, status, errorAnswer(null, rpcError("INTERNAL")));
  });
}

const notAllowed = (reason: string): string =>
  errorAnswer(null, rpcError("REQUEST_INVALID", { reason }));

function sendJson(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).type("application/json").send(text);
}
