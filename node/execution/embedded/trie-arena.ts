/**
 * Memory for many small arrays: views of large chunks.
 *
 * An array of its own costs an allocation outside the heap and an entry in the collector's lists; a
 * block makes thousands, most of which stay. A chunk lives as long as any view of it, so whoever
 * keeps few of many views must move those to a new arena now and then, by `bytes`.
 */

/** Gives an array of so many bytes, all to be written. */
export type Allocate = (length: number) => Uint8Array;

export interface Arena {
  readonly allocate: Allocate;
  /** Bytes of all chunks so far, however many views are left of them. */
  bytes(): number;
}

const CHUNK_BYTES = 64 * 1024;
/** Longer arrays get memory of their own. */
const SHARED_BYTES_MAX = 4096;

export function createArena(): Arena {
  let chunk = new ArrayBuffer(0);
  let used = 0;
  let bytes = 0;
  return {
    bytes: () => bytes,
    allocate(length) {
      if (length > SHARED_BYTES_MAX) return allocateAlone(length);
      if (used + length > chunk.byteLength) {
        chunk = new ArrayBuffer(CHUNK_BYTES);
        bytes += CHUNK_BYTES;
        used = 0;
      }
      const view = new Uint8Array(chunk, used, length);
      used += length;
      return view;
    },
  };
}

export const allocateAlone: Allocate = (length) => new Uint8Array(length);

/** A copy of an array. */
export function copyTo(allocate: Allocate, bytes: Uint8Array): Uint8Array {
  const copy = allocate(bytes.length);
  copy.set(bytes);
  return copy;
}
