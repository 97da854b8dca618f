/**
 * The answer to untrusted input: never an exception. `code` is stable, `data` says where and what.
 */
export type Verdict<T, Code extends string = string> = Accepted<T> | Refused<Code>;

export interface Accepted<T> {
  readonly ok: true;
  readonly value: T;
}

export interface Refused<Code extends string = string> {
  readonly ok: false;
  readonly code: Code;
  readonly data: Readonly<Record<string, string | number | boolean>>;
}

export function accept<T>(value: T): Accepted<T> {
  return { ok: true, value };
}

export function refuse<Code extends string>(
  code: Code,
  data: Readonly<Record<string, string | number | boolean>> = {},
): Refused<Code> {
  return { ok: false, code, data };
}
