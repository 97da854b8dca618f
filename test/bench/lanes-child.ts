/**
 * Processes of the benchmark of the lanes: requests over IPC, one answer each.
 *
 * Invariants: only children started here are signalled, by their pid; they go with this process,
 * however it ends. Both ends are ours: messages are not checked.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

interface Request {
  readonly id: number;
  readonly name: string;
  readonly job: unknown;
}

type Reply = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string });

type Handlers = Readonly<Record<string, (job: never) => Promise<unknown>>>;

/** `Calls` maps a request's name to its job and its answer. */
export interface BenchChild<
  Calls extends Record<string, readonly [job: unknown, answer: unknown]>,
> {
  request<Name extends keyof Calls & string>(
    name: Name,
    job: Calls[Name][0],
  ): Promise<Calls[Name][1]>;
  stop(): Promise<void>;
}

/** Starts a module of the build. */
export function startChild<Calls extends Record<string, readonly [job: unknown, answer: unknown]>>(
  module: URL,
): BenchChild<Calls> {
  const child = fork(fileURLToPath(module), [], { serialization: "advanced" });
  const waiting = new Map<number, (reply: Reply) => void>();
  let requests = 0;
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", kill);
  child.on("message", (reply: Reply) => waiting.get(reply.id)?.(reply));
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => {
      for (const [id, answer] of waiting) answer({ id, error: "the process ended" });
      resolve();
    });
  });
  return {
    async request(name, job) {
      const id = requests++;
      const reply = await new Promise<Reply>((resolve) => {
        waiting.set(id, resolve);
        send(child, { id, name, job });
      });
      waiting.delete(id);
      if ("error" in reply) throw new Error(`${name}: ${reply.error}`);
      return reply.value;
    },
    async stop() {
      process.off("exit", kill);
      if (child.exitCode === null && child.signalCode === null) kill();
      await gone;
    },
  };
}

function send(child: ChildProcess, request: Request): void {
  child.send(request);
}

/** The other end: answers requests until the parent is gone. */
export function serve(handlers: Handlers): void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", ({ id, name, job }: Request) => {
    const handler = handlers[name];
    if (handler === undefined) throw new Error(`no request ${name}`);
    handler(job as never).then(
      (value) => process.send?.({ id, value }),
      (error: unknown) => process.send?.({ id, error: String((error as Error).stack ?? error) }),
    );
  });
}
