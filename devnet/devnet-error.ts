/**
 * What stops the devnet and is the user's to fix: a busy port, a damaged folder, a child that died.
 * Its message is the one line that is printed; everything else that is thrown is a bug.
 */
export class DevnetError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "DevnetError";
  }
}

/** The first line of what an error says, for use inside a line of our own. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? "";
}
