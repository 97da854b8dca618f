/** Ethereum's precompiles as of Prague, at its gas. Owns which contract is at which address. */
import type { Poll } from "../../poll.ts";
import { blake2f } from "./blake2f.ts";
import {
  bls12G1Add,
  bls12G1SumOfProducts,
  bls12G2Add,
  bls12G2SumOfProducts,
  bls12MapToG1,
  bls12MapToG2,
  bls12Pairing,
} from "./bls12-381.ts";
import { bn254Add, bn254Multiply, bn254Pairing } from "./bn254.ts";
import { ecrecover } from "./ecrecover.ts";
import { identity, ripemd160, sha256 } from "./hashes.ts";
import { modexp } from "./modexp.ts";
import { pointEvaluation } from "./point-evaluation.ts";
import { install, type Installed, type Precompile } from "./precompile.ts";

const PRECOMPILES: readonly (readonly [address: number, precompile: Precompile])[] = [
  [0x01, ecrecover],
  [0x02, sha256],
  [0x03, ripemd160],
  [0x04, identity],
  [0x05, modexp],
  [0x06, bn254Add],
  [0x07, bn254Multiply],
  [0x08, bn254Pairing],
  [0x09, blake2f],
  [0x0a, pointEvaluation],
  [0x0b, bls12G1Add],
  [0x0c, bls12G1SumOfProducts],
  [0x0d, bls12G2Add],
  [0x0e, bls12G2SumOfProducts],
  [0x0f, bls12Pairing],
  [0x10, bls12MapToG1],
  [0x11, bls12MapToG2],
];

/** All of them, to give to `createEVM` in place of the library's. */
export function ethereumPrecompiles(poll: Poll): Installed[] {
  return PRECOMPILES.map(([address, precompile]) => install(address, precompile, poll));
}
