/** What breaks a rule for a reason. An entry that nothing needs any more fails the test. */
export interface Exception {
  readonly rule: string;
  readonly file: string;
  /** The finding's detail; left out where the file breaks the rule in one way only. */
  readonly detail?: string;
  readonly reason: string;
}

const PROGRAM = "a program of its own, started by the tests beside it by its name";

export const EXCEPTIONS: readonly Exception[] = [
  { rule: "dead-file", file: "test/storage/fixtures/hold-open.ts", reason: PROGRAM },
  { rule: "dead-file", file: "test/storage/fixtures/write-until-killed.ts", reason: PROGRAM },
];
