/**
 * WebSocket connections: one JSON-RPC message a frame, subscriptions pushed between answers.
 *
 * Owns the bounds of a connection: message size, one message a turn of the event loop, requests in
 * work (reading pauses at the bound), unsent bytes (a client that does not read is disconnected),
 * and liveness by ping.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { Dispatcher } from "./dispatch.ts";
import type { RpcLimits } from "./limits.ts";
import type { Subscriber } from "./method.ts";

/** RFC 6455: the server ends the connection because of its own state. */
const CLOSE_GOING_AWAY = 1001;

export interface WsDeps {
  readonly dispatcher: Dispatcher;
  readonly limits: RpcLimits;
  /** A connection ended. */
  readonly onClosed: (subscriber: Subscriber) => void;
}

export interface WsServer {
  /** Takes over a connection that asked for an upgrade. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  connections(): number;
  stop(): void;
}

/** Creates the WebSocket side of a server. */
export function createWsServer({ dispatcher, limits, onClosed }: WsDeps): WsServer {
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: limits.bodyBytesMax,
    perMessageDeflate: false,
    // One message of a connection a turn: others do not wait for all that a flood has sent at once.
    allowSynchronousEvents: false,
  });
  const alive = new WeakSet<WebSocket>();

  const ping = setInterval(() => {
    for (const ws of wss.clients) {
      if (!alive.delete(ws)) ws.terminate();
      else ws.ping();
    }
  }, limits.pingIntervalMs);
  ping.unref();

  wss.on("connection", (ws) => {
    const subscriber: Subscriber = {
      send(text) {
        if (ws.readyState !== ws.OPEN) return;
        if (ws.bufferedAmount > limits.sendBufferBytesMax) ws.terminate();
        else ws.send(text);
      },
    };
    let inWork = 0;
    const work = async (data: RawData): Promise<void> => {
      inWork++;
      if (inWork >= limits.concurrencyMax) ws.pause();
      try {
        const answer = await dispatcher.dispatch(toBytes(data), subscriber);
        if (answer !== null) subscriber.send(answer);
      } finally {
        inWork--;
        if (inWork < limits.concurrencyMax && ws.isPaused) ws.resume();
      }
    };
    alive.add(ws);
    ws.on("pong", () => alive.add(ws));
    ws.on("message", (data) => void work(data));
    // Broken frames and resets: `ws` closes the connection itself after reporting them.
    ws.on("error", () => undefined);
    ws.on("close", () => {
      onClosed(subscriber);
    });
  });

  return {
    upgrade(request, socket, head) {
      wss.handleUpgrade(request, socket, head, (ws) => wss.emit("connection", ws, request));
    },
    connections: () => wss.clients.size,
    stop() {
      clearInterval(ping);
      for (const ws of wss.clients) {
        ws.close(CLOSE_GOING_AWAY);
        ws.terminate();
      }
      wss.close();
    },
  };
}

function toBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
