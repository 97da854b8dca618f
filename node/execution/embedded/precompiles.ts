/**
 * Precompiled contracts where the OP Stack differs from EthereumJS' Prague.
 *
 * Owns: P256VERIFY (Fjord, 3450 gas), input limits of the pairing and multi-scalar precompiles
 * (Granite, Isthmus), and point evaluation without a KZG context, whose set-up takes seconds.
 * Source: OP Stack specs, fjord, granite and isthmus exec-engine.md; EIP-4844; RIP-7212.
 */
import { createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import {
  type CustomPrecompile,
  EVMError,
  type ExecResult,
  getActivePrecompiles,
  type PrecompileFunc,
} from "@ethereumjs/evm";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bigintToBytes, bytesEqual, bytesToBigint, concatBytes } from "../../../lanes/bytes.ts";

const P256_GAS = 3450n;
/** What the library's own P256VERIFY (EIP-7951) wants to see. */
const P256_LIBRARY_GAS = 6900n;
const POINT_EVALUATION_GAS = 50_000n;
const POINT_EVALUATION_BYTES = 192;
const FIELD_ELEMENTS_PER_BLOB = 4096n;
const KZG_VERSION = 0x01;

const INPUT_BYTES_MAX: readonly (readonly [address: number, bytes: number])[] = [
  [0x08, 112_687],
  [0x0c, 513_760],
  [0x0e, 488_448],
  [0x0f, 235_008],
];

/** [tau]G2 of the Ethereum KZG ceremony. */
const TAU_G2 = bls12_381.G2.Point.fromHex(
  "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72" +
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2",
);

/** Every precompile to give to `createEVM` beside the library's own. */
export function rollupPrecompiles(): CustomPrecompile[] {
  const prague = getActivePrecompiles(
    createCustomCommon({}, Mainnet, { hardfork: Hardfork.Prague }),
  );
  const osaka = getActivePrecompiles(createCustomCommon({}, Mainnet, { hardfork: Hardfork.Osaka }));
  const limited = INPUT_BYTES_MAX.map(([address, bytesMax]) => ({
    address: addressOf(address),
    function: limitInput(find(prague, address), bytesMax),
  }));
  return [
    ...limited,
    { address: addressOf(0x0a), function: evaluatePoint },
    { address: addressOf(0x100), function: verifyP256(find(osaka, 0x100)) },
  ];
}

function addressOf(index: number): `0x${string}` {
  return `0x${index.toString(16).padStart(40, "0")}`;
}

function find(precompiles: Map<string, PrecompileFunc>, address: number): PrecompileFunc {
  const precompile = precompiles.get(addressOf(address).slice(2));
  if (precompile === undefined) throw new Error(`no precompile at ${addressOf(address)}`);
  return precompile;
}

function failure(gasLimit: bigint, reason: EVMError["error"]): ExecResult {
  return {
    returnValue: new Uint8Array(0),
    executionGasUsed: gasLimit,
    exceptionError: new EVMError(reason),
  };
}

function limitInput(precompile: PrecompileFunc, bytesMax: number): PrecompileFunc {
  return (input) =>
    input.data.length > bytesMax
      ? failure(input.gasLimit, EVMError.errorMessages.INVALID_INPUT_LENGTH)
      : precompile(input);
}

function verifyP256(precompile: PrecompileFunc): PrecompileFunc {
  return async (input) => {
    if (input.gasLimit < P256_GAS)
      return failure(input.gasLimit, EVMError.errorMessages.OUT_OF_GAS);
    const result = await precompile({ ...input, gasLimit: P256_LIBRARY_GAS });
    return { ...result, executionGasUsed: P256_GAS };
  };
}

const POINT_EVALUATION_OUTPUT = concatBytes(
  bigintToBytes(FIELD_ELEMENTS_PER_BLOB, 32),
  bigintToBytes(bls12_381.fields.Fr.ORDER, 32),
);

const evaluatePoint: PrecompileFunc = ({ data, gasLimit }) => {
  if (gasLimit < POINT_EVALUATION_GAS) return failure(gasLimit, EVMError.errorMessages.OUT_OF_GAS);
  if (data.length !== POINT_EVALUATION_BYTES)
    return failure(gasLimit, EVMError.errorMessages.INVALID_INPUT_LENGTH);
  const commitment = data.subarray(96, 144);
  const versionedHash = sha256(commitment);
  versionedHash[0] = KZG_VERSION;
  if (!bytesEqual(versionedHash, data.subarray(0, 32)))
    return failure(gasLimit, EVMError.errorMessages.INVALID_COMMITMENT);
  const z = bytesToBigint(data.subarray(32, 64));
  const y = bytesToBigint(data.subarray(64, 96));
  if (!isProofValid(commitment, z, y, data.subarray(144, 192)))
    return failure(gasLimit, EVMError.errorMessages.INVALID_PROOF);
  return { executionGasUsed: POINT_EVALUATION_GAS, returnValue: POINT_EVALUATION_OUTPUT };
};

/** Whether the committed polynomial has the value `y` at `z`: e(C − y·G1, G2) = e(proof, τG2 − z·G2). */
function isProofValid(commitment: Uint8Array, z: bigint, y: bigint, proof: Uint8Array): boolean {
  const { Fr } = bls12_381.fields;
  if (z >= Fr.ORDER || y >= Fr.ORDER) return false;
  const G1 = bls12_381.G1.Point;
  const G2 = bls12_381.G2.Point;
  try {
    const left = G1.fromBytes(commitment).subtract(G1.BASE.multiplyUnsafe(y));
    const right = TAU_G2.subtract(G2.BASE.multiplyUnsafe(z));
    const proofPoint = G1.fromBytes(proof);
    // The library refuses the point at infinity in pairings; e(0, Q) is one.
    const pairs = [
      { g1: left.negate(), g2: G2.BASE },
      { g1: proofPoint, g2: right },
    ].filter(({ g1, g2 }) => !g1.is0() && !g2.is0());
    if (pairs.length === 0) return true;
    const product = bls12_381.pairingBatch(pairs);
    return bls12_381.fields.Fp12.eql(product, bls12_381.fields.Fp12.ONE);
  } catch {
    // Points off the curve or outside the subgroup: a verdict on untrusted input, not a failure.
    return false;
  }
}
