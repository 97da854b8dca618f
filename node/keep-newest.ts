/** Maps that remember the newest of something, and no more than a bound. */

/** Deletes the entry that was set first, where there is one more than `max`. Call after each `set`. */
export function keepNewest(map: Map<unknown, unknown>, max: number): void {
  if (map.size <= max) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
