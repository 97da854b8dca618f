/**
 * Products of pairings, one pair after another. Does not own what is checked of the points before:
 * they must be in their subgroups.
 */
import { MCLBN_GT_SIZE } from "mcl-wasm/dist/constants.js";
import type { Curve, Place } from "./mcl.ts";

/** A product that is one, or not yet known to be. One at a time on a curve. */
export interface PairingProduct {
  readonly begin: () => void;
  /** Multiplies by e(p, q), which is one where p or q is infinity. */
  readonly multiply: (p: Place, q: Place) => void;
  readonly isOne: () => boolean;
}

export function createPairingProduct(curve: Curve): PairingProduct {
  const [product, factor] = [curve.allocate(MCLBN_GT_SIZE), curve.allocate(MCLBN_GT_SIZE)];
  const [setSmall, multiply] = [curve.function("mclBnGT_setInt32"), curve.function("mclBnGT_mul")];
  const [millerLoop, finalExponent] = [
    curve.function("mclBn_millerLoop"),
    curve.function("mclBn_finalExp"),
  ];
  const isOne = curve.function("mclBnGT_isOne");
  return {
    begin() {
      setSmall(product, 1);
    },
    multiply(p, q) {
      millerLoop(factor, p, q);
      multiply(product, product, factor);
    },
    isOne() {
      finalExponent(product, product);
      return isOne(product) === 1;
    },
  };
}
