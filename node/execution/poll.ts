/** How long work lets itself be ended: it asks all the time, and what it is told passes through. */

/** Called every fraction of a millisecond between slices of long work; throws to end it now. */
export type Poll = () => void;

/** For work that nothing may interrupt. */
export const NEVER: Poll = () => undefined;
