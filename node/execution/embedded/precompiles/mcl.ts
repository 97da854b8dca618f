/**
 * Elliptic curves and pairings in WebAssembly: mcl, an instance with a memory of its own per curve.
 *
 * Owns loading, done when this module is, and how numbers get in and out. Does not own encodings of
 * points, nor which points are checked for what.
 * Invariants: values lie at places that are allocated once, when modules load, and every call
 * leaves mcl's stack where it was. So work may end between any two calls, and nothing grows.
 */
import assert from "node:assert/strict";
import {
  CurveType,
  IRTF,
  MCLBN_COMPILED_TIME_VAR,
  MCLBN_FP_SIZE,
  MCLBN_FR_SIZE,
} from "mcl-wasm/dist/constants.js";
import createModule from "mcl-wasm/dist/mcl_c.js";
import { isZero } from "./precompile.ts";

/** Where a value lies in the memory of its curve. */
export type Place = number;

/** A C function of mcl: places, lengths and small numbers in; a flag, a length or nothing out. */
type Call = (...values: readonly number[]) => number;

interface Instance {
  readonly wasmMemory: { readonly buffer: ArrayBuffer };
  readonly [name: `_${string}`]: unknown;
}

export interface Curve {
  /** A function of mcl by its name. */
  readonly function: (name: string) => Call;
  readonly allocate: (bytes: number) => Place;
  readonly allocateScalars: (count: number) => Place;
  /** Bytes from one of several scalars to the next. */
  readonly scalarBytes: number;
  /** Copies at most 96 bytes to where functions can read them, until the next copy. */
  readonly copyIn: (bytes: Uint8Array) => Place;
  /** Sets elements of the base field in a row, big-endian. False where one is no such element. */
  readonly setFields: (first: Place, numbers: readonly Uint8Array[]) => boolean;
  readonly getFields: (first: Place, count: number) => Uint8Array[];
  /** Sets an integer modulo the order of the group. False where it is not below the order. */
  readonly setScalar: (scalar: Place, bytes: Uint8Array) => boolean;
  /** The same for any integer of 32 bytes, which is reduced. */
  readonly reduceScalar: (scalar: Place, bytes: Uint8Array) => void;
}

/** Points of G1, with coordinates in the base field, or of G2, in its quadratic extension. */
export interface Group {
  readonly allocate: (count: number) => Place;
  /** Bytes from one of several points to the next. */
  readonly pointBytes: number;
  readonly setInfinity: (point: Place) => void;
  readonly isInfinity: (point: Place) => boolean;
  /**
   * Sets a point by x and y, or by their parts x0, x1, y0, y1, big-endian. False where a number is
   * not in the field or the point not on the curve. The subgroup is not checked.
   */
  readonly set: (point: Place, numbers: readonly Uint8Array[]) => boolean;
  /**
   * Sets a point by its compressed form, on BLS12-381: x big-endian, and three flags in the first
   * bits. False where it is no point of the curve. The subgroup is not checked.
   */
  readonly setCompressed: (point: Place, bytes: Uint8Array) => boolean;
  /** What `set` takes, of a point that is not infinity. */
  readonly get: (point: Place) => Uint8Array[];
  readonly isInSubgroup: (point: Place) => boolean;
  /** `out` may be one of the points, here and below. */
  readonly add: (out: Place, a: Place, b: Place) => void;
  readonly negate: (out: Place, point: Place) => void;
  /** For points of the subgroup: mcl's short cuts give wrong products outside of it. */
  readonly multiply: (out: Place, point: Place, scalar: Place) => void;
}

/** A compressed point of G2 is the longest that mcl reads. */
const COPY_BYTES = 96;
/** The first byte of infinity: flags for "compressed" and "infinity", and not a bit of a number. */
const COMPRESSED_INFINITY = 0xc0;

/** One of several elements of the base field in a row, such as the coordinates of a point. */
function fieldAt(first: Place, index: number): Place {
  return first + index * MCLBN_FP_SIZE;
}

async function createCurve(type: CurveType): Promise<Curve> {
  const instance = (await createModule({
    cryptoGetRandomValues: () => assert.fail("nothing here is random"),
  })) as Instance;
  const bind = (name: string): Call => {
    const found = instance[`_${name}`];
    assert.ok(typeof found === "function", `mcl has no ${name}`);
    return found as Call;
  };
  assert.equal(bind("mclBn_init")(type, MCLBN_COMPILED_TIME_VAR), 0, "mcl knows the curve");
  // With these off, `isValid` asks for the curve alone; precompiles differ in what else they need.
  bind("mclBn_verifyOrderG1")(0);
  bind("mclBn_verifyOrderG2")(0);
  // Ethereum's forms, which mcl has for this curve only: big-endian, and the maps of RFC 9380.
  const isBigEndian = type === CurveType.BLS12_381;
  if (isBigEndian) {
    bind("mclBn_setETHserialization")(1);
    bind("mclBn_setMapToMode")(IRTF);
  }
  const allocate = bind("malloc");
  const copy = allocate(COPY_BYTES);
  const fieldBytes = bind("mclBn_getFpByteSize")();
  let memory = new Uint8Array(instance.wasmMemory.buffer);
  const bytesAtCopy = (length: number): Uint8Array => {
    // A memory that has grown is another buffer. To ask for it each time would take long.
    if (memory.length === 0) memory = new Uint8Array(instance.wasmMemory.buffer);
    return memory.subarray(copy, copy + length);
  };
  const copyIn = (bytes: Uint8Array): Place => {
    assert.ok(bytes.length <= COPY_BYTES, "the bytes fit");
    bytesAtCopy(bytes.length).set(bytes);
    return copy;
  };
  const inOrder = (bytes: Uint8Array): Uint8Array => (isBigEndian ? bytes : bytes.toReversed());
  const [readField, writeField] = [bind("mclBnFp_deserialize"), bind("mclBnFp_serialize")];
  const [readScalar, reduceScalar] = [bind("mclBnFr_deserialize"), bind("mclBnFr_setBigEndianMod")];
  return {
    function: bind,
    allocate,
    allocateScalars: (count) => allocate(count * MCLBN_FR_SIZE),
    scalarBytes: MCLBN_FR_SIZE,
    copyIn,
    setFields: (first, numbers) =>
      numbers.every((bytes, i) => {
        const read = readField(fieldAt(first, i), copyIn(inOrder(bytes)), bytes.length);
        return read === fieldBytes;
      }),
    getFields: (first, count) =>
      Array.from({ length: count }, (_, i) => {
        writeField(copy, COPY_BYTES, fieldAt(first, i));
        return inOrder(bytesAtCopy(fieldBytes).slice());
      }),
    setScalar: (scalar, bytes) =>
      readScalar(scalar, copyIn(inOrder(bytes)), bytes.length) === MCLBN_FR_SIZE,
    reduceScalar(scalar, bytes) {
      reduceScalar(scalar, copyIn(bytes), bytes.length);
    },
  };
}

/** The operations of a group. */
export function createGroup(curve: Curve, name: "G1" | "G2"): Group {
  const bind = (operation: string): Call => curve.function(`mclBn${name}_${operation}`);
  const degree = name === "G1" ? 1 : 2;
  const setSmallField = curve.function("mclBnFp_setInt32");
  const [isInfinity, isOnCurve, isInSubgroup] = [
    bind("isZero"),
    bind("isValid"),
    bind("isValidOrder"),
  ];
  const [normalize, readCompressed] = [bind("normalize"), bind("deserialize")];
  const pointBytes = 3 * degree * MCLBN_FP_SIZE;
  const affine = curve.allocate(pointBytes);
  return {
    allocate: (count) => curve.allocate(count * pointBytes),
    pointBytes,
    setInfinity: bind("clear"),
    isInfinity: (point) => isInfinity(point) === 1,
    set(point, numbers) {
      assert.equal(numbers.length, 2 * degree);
      if (!curve.setFields(point, numbers)) return false;
      // mcl's points are projective: the third coordinate is one.
      for (let i = 0; i < degree; i++) setSmallField(fieldAt(point, 2 * degree + i), 1 - i);
      return isOnCurve(point) === 1;
    },
    setCompressed(point, bytes) {
      // mcl does not look at what follows the flag of infinity, where nothing may.
      if (bytes[0] === COMPRESSED_INFINITY && !isZero(bytes, 1, bytes.length - 1)) return false;
      return readCompressed(point, curve.copyIn(bytes), bytes.length) === bytes.length;
    },
    get(point) {
      normalize(affine, point);
      return curve.getFields(affine, 2 * degree);
    },
    isInSubgroup: (point) => isInSubgroup(point) === 1,
    add: bind("add"),
    negate: bind("neg"),
    multiply: bind("mul"),
  };
}

/** The pairing curve of 0x06 to 0x08, the one of 0x0a to 0x11, and that of P256VERIFY. */
export const [BN254, BLS12_381, P256] = await Promise.all([
  createCurve(CurveType.BN_SNARK1),
  createCurve(CurveType.BLS12_381),
  createCurve(CurveType.NIST_P256),
]);
