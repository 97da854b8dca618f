/**
 * Errors as JSON-RPC error objects. Owns the wire shape; number and sentence come from the one
 * table in `node/errors.ts`. `data.code` is the stable code, also where several share a number.
 */
import { fromHex, type Hex } from "../lanes/bytes.ts";
import { type ErrorCode, type ErrorData, ERRORS, NodeError } from "../node/errors.ts";

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** Wallets and libraries tell these apart by geth's words, not by number. */
const GETH_WORDS: Partial<Record<ErrorCode, string>> = {
  ALREADY_KNOWN: "already known",
  BLOCK_NOT_FOUND: "header not found",
  CHAIN_ID_MISMATCH: "invalid chain id for signer",
  FEE_CAP_TOO_LOW: "max fee per gas less than block base fee",
  GAS_LIMIT_TOO_HIGH: "exceeds block gas limit",
  GENESIS_NOT_TRACEABLE: "genesis is not traceable",
  INSUFFICIENT_FUNDS: "insufficient funds for gas * price + value",
  INTRINSIC_GAS_TOO_LOW: "intrinsic gas too low",
  NONCE_TOO_HIGH: "nonce too high",
  NONCE_TOO_LOW: "nonce too low",
  POOL_FULL: "txpool is full",
  REPLACEMENT_UNDERPRICED: "replacement transaction underpriced",
  TRANSACTION_NOT_FOUND: "transaction not found",
  TIP_ABOVE_FEE_CAP: "max priority fee per gas higher than max fee per gas",
  TX_SIGNATURE_INVALID: "invalid sender",
  TX_TYPE_NOT_SUPPORTED: "transaction type not supported",
};

/** The error object of a code. */
export function rpcError(code: ErrorCode, data: ErrorData = {}): RpcError {
  return { code: ERRORS[code].rpc, message: messageOf(code, data), data: { code, ...data } };
}

function messageOf(code: ErrorCode, data: ErrorData): string {
  // geth's whole sentence: ethers polls eth_getLogs where it reads this of eth_newFilter.
  if (code === "METHOD_NOT_FOUND" && typeof data["method"] === "string")
    return `the method ${data["method"]} does not exist/is not available`;
  const { message } = new NodeError(code, data);
  const words = GETH_WORDS[code];
  return words === undefined ? message : `${words}: ${message}`;
}

/** Errors that say nothing of themselves on the wire; the log does. */
const INTERNAL: RpcError = rpcError("INTERNAL");

/** The error object of anything a method threw. */
export function toRpcError(error: unknown): RpcError {
  if (!(error instanceof NodeError) || error.code === "INTERNAL") return INTERNAL;
  const { output } = error.data;
  if (error.code === "EXECUTION_REVERTED" && typeof output === "string")
    return revertError(output as Hex);
  // EIP-7966: the hash itself is the data.
  if (error.code === "SYNC_TIMEOUT" || error.code === "SYNC_GAPPED")
    return { ...rpcError(error.code, error.data), data: error.data["hash"] };
  return rpcError(error.code, error.data);
}

export function isInternal(error: RpcError): boolean {
  return error.code === INTERNAL.code;
}

/** As geth answers it: number 3, the reason in words, the revert data itself as `data`. */
function revertError(output: Hex): RpcError {
  const reason = revertReason(fromHex(output));
  return {
    code: ERRORS.EXECUTION_REVERTED.rpc,
    message: reason === null ? "execution reverted" : `execution reverted: ${reason}`,
    data: output,
  };
}

/** Solidity's `Error(string)` and `Panic(uint256)`. */
const ERROR_SELECTOR = 0x08c379a0;
const PANIC_SELECTOR = 0x4e487b71;
const REASON_BYTES_MAX = 1024;

/** geth's words for the codes that Solidity defines. */
const PANIC_REASONS: Readonly<Record<number, string>> = {
  0x00: "generic panic",
  0x01: "assert(false)",
  0x11: "arithmetic underflow or overflow",
  0x12: "division or modulo by zero",
  0x21: "enum overflow",
  0x22: "invalid encoded storage byte array accessed",
  0x31: "out-of-bounds array access; popping on an empty array",
  0x32: "out-of-bounds access of an array or bytesN",
  0x41: "out of memory",
  0x51: "uninitialized function",
};

function panicReason(code: number): string {
  return PANIC_REASONS[code] ?? `unknown panic code: 0x${code.toString(16)}`;
}

/** The text of a standard revert; `null` for custom errors, no data, or data cut short. */
export function revertReason(output: Uint8Array): string | null {
  if (output.length < 36) return null;
  const view = new DataView(output.buffer, output.byteOffset, output.length);
  const selector = view.getUint32(0);
  if (selector === PANIC_SELECTOR) return panicReason(view.getUint32(32));
  if (selector !== ERROR_SELECTOR || output.length < 68) return null;
  // Offset and length are 256-bit words: no text we would show needs more than 32 bits of them.
  const length = view.getUint32(64);
  if (view.getUint32(32) !== 32 || length > output.length - 68) return null;
  return new TextDecoder().decode(output.subarray(68, 68 + Math.min(length, REASON_BYTES_MAX)));
}
