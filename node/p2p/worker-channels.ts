/** Channels between the p2p worker and the thread that started it (`port.ts`). */
import type { LogLevel } from "../log.ts";

/** `NetworkService`, answered by the worker. */
export const SERVICE_CHANNEL = "network";
/** `NetworkHandlers`, answered by the sequencing thread. */
export const HANDLERS_CHANNEL = "network-handlers";
/** `NetworkLog`, answered by the sequencing thread. */
export const LOG_CHANNEL = "network-log";

export interface LogLine {
  readonly level: Exclude<LogLevel, "silent">;
  readonly message: string;
  readonly data: object;
}

/** Lines of the worker's log, written by the logger of the thread that started it. */
export interface NetworkLog {
  write(line: LogLine): void;
}
