/**
 * Runs a program that does not watch its parent, and stops it when the parent is gone.
 *
 * `node guard.js PROGRAM ARGS…`: the parent holds the other end of standard input; when it closes,
 * or on SIGINT or SIGTERM, the program gets SIGINT and time to write its state, then SIGKILL. Exits
 * with the program's status. anvil needs this: as an orphan it would keep its port for ever.
 */
import { spawn } from "node:child_process";

/** anvil writes its whole state on SIGINT. */
const STOP_GRACE_MS = 20_000;
/** Exit status for a program that could not be started, as shells have it. */
const CANNOT_START = 127;

function main(program: string, args: readonly string[]): void {
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS).unref();
  };
  child.on("error", (error) => {
    process.stderr.write(`cannot start ${program}: ${error.message}\n`);
    process.exit(CANNOT_START);
  });
  child.on("exit", (code) => {
    process.exit(code ?? (stopping ? 0 : 1));
  });
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  process.stdin.on("end", stop);
  process.stdin.on("error", stop);
  process.stdin.resume();
}

const [program, ...args] = process.argv.slice(2);
if (program === undefined) {
  process.stderr.write("usage: guard PROGRAM ARGS...\n");
  process.exit(CANNOT_START);
}
main(program, args);
