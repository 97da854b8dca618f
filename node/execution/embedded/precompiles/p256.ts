/**
 * P256VERIFY (0x100): an ECDSA signature over a digest, by a key of NIST P-256. Whatever is wrong
 * with the input, the answer is empty, and the gas is the same.
 * Source: RIP-7212; OP Stack specs, fjord exec-engine.md (gas); FIPS 186-5, 6.4.2.
 */
import { createGroup, P256 } from "./mcl.ts";
import { NOTHING, type Precompile, TRUE } from "./precompile.ts";

const GAS = 3450n;
const INPUT_BYTES = 160;
const NUMBER_BYTES = 32;

const group = createGroup(P256, "G1");
/** The base point and the key; what each is multiplied by. */
const points = group.allocate(2);
const factors = P256.allocateScalars(2);
const [base, key] = [points, points + group.pointBytes];
const [baseFactor, keyFactor] = [factors, factors + P256.scalarBytes];
const sum = group.allocate(1);
const r = P256.allocateScalars(1);
const s = P256.allocateScalars(1);
const x = P256.allocateScalars(1);

const getBasePoint = P256.function("mclBnG1_getBasePoint");
const sumOfProducts = P256.function("mclBnG1_mulVec");
const isZero = P256.function("mclBnFr_isZero");
const isEqual = P256.function("mclBnFr_isEqual");
const invert = P256.function("mclBnFr_inv");
const multiply = P256.function("mclBnFr_mul");

export const p256Verify: Precompile = {
  gas: () => GAS,
  run: (input) => (input.length === INPUT_BYTES && isSigned(input) ? TRUE : NOTHING),
};

function isSigned(input: Uint8Array): boolean {
  const number = (index: number): Uint8Array =>
    input.subarray(index * NUMBER_BYTES, (index + 1) * NUMBER_BYTES);
  if (!P256.setScalar(r, number(1)) || isZero(r) === 1) return false;
  if (!P256.setScalar(s, number(2)) || isZero(s) === 1) return false;
  // Infinity would be zeros, which are not on the curve.
  if (!group.set(key, [number(3), number(4)])) return false;
  invert(s, s);
  P256.reduceScalar(baseFactor, number(0));
  multiply(baseFactor, baseFactor, s);
  multiply(keyFactor, r, s);
  getBasePoint(base);
  sumOfProducts(sum, points, factors, 2);
  if (group.isInfinity(sum)) return false;
  P256.reduceScalar(x, group.get(sum)[0] ?? NOTHING);
  return isEqual(x, r) === 1;
}
