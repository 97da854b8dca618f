/**
 * Preemption: how long work in the EVM gives way to the fast lane.
 *
 * Owns the signal. Whoever works for long calls `poll` every fraction of a millisecond, and lets
 * what it throws pass: it is no failure of the EVM, and the transaction leaves no trace. DESIGN 4.
 */

/** Called between slices of long work; throws where the work must end now. */
export type Poll = () => void;

/** For work that nothing may interrupt. */
export const NEVER: Poll = () => undefined;
