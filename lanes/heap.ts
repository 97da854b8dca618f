/**
 * Binary min-heap with removal of any item: the order of what waits.
 * Push, pop and remove are O(log n). Owns no policy: the comparison is given.
 */
export interface Heap<T> {
  readonly size: number;
  peek(): T | undefined;
  push(item: T): void;
  remove(item: T): boolean;
}

/** A heap whose smallest item by `compare` is on top. Items must be unique. */
export function createHeap<T extends object>(compare: (a: T, b: T) => number): Heap<T> {
  const items: T[] = [];
  const positions = new Map<T, number>();

  const place = (item: T, index: number): void => {
    items[index] = item;
    positions.set(item, index);
  };

  const up = (item: T, from: number): void => {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex] as T;
      if (compare(parent, item) <= 0) break;
      place(parent, index);
      index = parentIndex;
    }
    place(item, index);
  };

  const down = (item: T, from: number): void => {
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= items.length) break;
      const right = left + 1;
      const smaller =
        right < items.length && compare(items[right] as T, items[left] as T) < 0 ? right : left;
      const child = items[smaller] as T;
      if (compare(item, child) <= 0) break;
      place(child, index);
      index = smaller;
    }
    place(item, index);
  };

  return {
    get size() {
      return items.length;
    },
    peek: () => items[0],
    push(item) {
      if (positions.has(item)) throw new Error("item is already in the heap");
      items.push(item);
      up(item, items.length - 1);
    },
    remove(item) {
      const index = positions.get(item);
      if (index === undefined) return false;
      positions.delete(item);
      const last = items.pop() as T;
      if (last !== item) {
        down(last, index);
        up(last, positions.get(last) as number);
      }
      return true;
    },
  };
}
