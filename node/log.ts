/** Structured logs: a fixed message plus an object; one child logger a folder. */
import { type Logger as PinoLogger, pino } from "pino";

export interface Logger {
  debug(message: string, data?: object): void;
  info(message: string, data?: object): void;
  warn(message: string, data?: object): void;
  error(message: string, data?: object): void;
  child(folder: string): Logger;
}

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A logger that writes JSON lines to standard error. `name` names the thread or process. */
export function createLogger(level: LogLevel, name: string): Logger {
  return wrap(pino({ level, base: { name } }, pino.destination({ dest: 2, sync: true })));
}

function wrap(base: PinoLogger): Logger {
  return {
    debug: (message, data = {}) => {
      base.debug(data, message);
    },
    info: (message, data = {}) => {
      base.info(data, message);
    },
    warn: (message, data = {}) => {
      base.warn(data, message);
    },
    error: (message, data = {}) => {
      base.error(data, message);
    },
    child: (folder) => wrap(base.child({ folder })),
  };
}

/** For tests and for callers that want silence. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
