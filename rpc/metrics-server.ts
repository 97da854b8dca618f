/**
 * HTTP for Prometheus, on a port of its own: whoever may call the node's methods need not see its
 * metrics, nor the other way round. Answers `GET /metrics` and nothing else. Does not own what is
 * told (`metrics.ts`).
 */
import { fastify, type FastifyReply } from "fastify";
import { messageOf } from "../node/errors.ts";
import type { Logger } from "../node/log.ts";
import { METRICS_CONNECTIONS_MAX } from "./limits.ts";
import { connectionOptions, type ConnectionTimes, listen, type ListenOptions } from "./listen.ts";
import type { Metrics } from "./metrics.ts";

const PATH = "/metrics";

export interface MetricsServerOptions extends ListenOptions {
  readonly limits: ConnectionTimes;
}

export interface MetricsServer {
  /** Listens and returns the port. Throws `PORT_BUSY`. */
  start(): Promise<number>;
  /** Ends every connection. */
  stop(): Promise<void>;
}

export function createMetricsServer(
  options: MetricsServerOptions,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Logger },
): MetricsServer {
  const { limits } = options;
  const app = fastify(connectionOptions(limits));
  app.server.maxConnections = METRICS_CONNECTIONS_MAX;
  // Before a body is read: none is ever looked at.
  app.addHook("onRequest", (request, reply, done) => {
    if (request.url.split("?", 1)[0] !== PATH) sendText(reply, 404, `the path is ${PATH}`);
    else if (request.method !== "GET") sendText(reply.header("allow", "GET"), 405, "GET only");
    else done();
  });
  app.get(PATH, async (_request, reply) => {
    const text = await metrics.render();
    return reply.type(metrics.contentType).send(text);
  });
  app.setErrorHandler((error: unknown, _request, reply) => {
    log.warn("metrics not rendered", { error: messageOf(error) });
    sendText(reply, 503, "the node does not answer");
  });
  return {
    start: () => listen(app, options, "metrics.host"),
    stop: () => app.close(),
  };
}

function sendText(reply: FastifyReply, status: number, text: string): void {
  void reply.code(status).type("text/plain").send(`${text}\n`);
}
