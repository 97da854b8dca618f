import t from "tap";
import { encodeErrorResult, parseAbi } from "viem";
import { fromHex } from "../../lanes/bytes.ts";
import { ERRORS, isErrorCode, NodeError } from "../../node/errors.ts";
import { revertReason, rpcError, toRpcError } from "../../rpc/error.ts";

t.test("every code of the table becomes an error object with its number and code", (t) => {
  for (const code of Object.keys(ERRORS)) {
    if (!isErrorCode(code)) throw new Error(code);
    const error = rpcError(code, { found: 1 });
    t.match(error, { code: ERRORS[code].rpc, data: { code, found: 1 } });
    t.ok(error.message.includes(ERRORS[code].text));
  }
  t.end();
});

t.test("libraries find the words they look for", (t) => {
  t.match(rpcError("NONCE_TOO_LOW").message, /nonce too low/);
  t.match(rpcError("INSUFFICIENT_FUNDS").message, /insufficient funds/);
  t.match(rpcError("REPLACEMENT_UNDERPRICED").message, /replacement transaction underpriced/);
  t.match(rpcError("ALREADY_KNOWN").message, /already known/);
  t.end();
});

t.test("reverts are answered as geth does", (t) => {
  const abi = parseAbi(["error Error(string)", "error Panic(uint256)", "error Custom(uint256)"]);
  const text = encodeErrorResult({ abi, errorName: "Error", args: ["user error"] });
  t.same(toRpcError(new NodeError("EXECUTION_REVERTED", { output: text })), {
    code: 3,
    message: "execution reverted: user error",
    data: text,
  });
  const panic = encodeErrorResult({ abi, errorName: "Panic", args: [17n] });
  t.equal(revertReason(fromHex(panic)), "arithmetic underflow or overflow");
  const unknown = encodeErrorResult({ abi, errorName: "Panic", args: [0x99n] });
  t.equal(revertReason(fromHex(unknown)), "unknown panic code: 0x99");
  const custom = encodeErrorResult({ abi, errorName: "Custom", args: [1n] });
  t.equal(revertReason(fromHex(custom)), null);
  t.same(toRpcError(new NodeError("EXECUTION_REVERTED", { output: "0x" })), {
    code: 3,
    message: "execution reverted",
    data: "0x",
  });
  for (let length = 0; length < text.length - 2; length += 2)
    t.type(revertReason(fromHex(text).subarray(0, length / 2)) ?? "", "string");
  t.end();
});
