/** Lines from standard input: plain, or from a terminal without showing them. */
import { createInterface } from "node:readline/promises";

/** The first line of standard input; empty where there is none. */
export async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  return "";
}

const CONTROL_C = "\u0003";
const CONTROL_D = "\u0004";
const BACKSPACE = "\u007f";

/** Asks on the terminal and reads a line that is not echoed. Ctrl-C and Ctrl-D end the process. */
export function readSecretLine(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  return new Promise((resolve) => {
    let line = "";
    const finish = (): void => {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
    };
    const onData = (typed: string): void => {
      for (const char of typed) {
        if (char === CONTROL_C || char === CONTROL_D) {
          finish();
          process.exit(1);
        }
        if (char === "\r" || char === "\n") {
          finish();
          resolve(line);
          return;
        }
        line = char === BACKSPACE ? line.slice(0, -1) : line + char;
      }
    };
    stdin.on("data", onData);
  });
}
