/**
 * The precompiles of the OP Stack: Ethereum's, with limits on inputs that would take too long to
 * prove, and P256VERIFY.
 * Source: OP Stack specs, fjord, granite and isthmus exec-engine.md.
 */
import type { Poll } from "../../poll.ts";
import { ethereumPrecompiles } from "./ethereum.ts";
import { p256Verify } from "./p256.ts";
import { addressOf, fail, install, type Installed } from "./precompile.ts";

const P256_VERIFY_ADDRESS = 0x100;

const INPUT_BYTES_MAX: ReadonlyMap<string, number> = new Map([
  [addressOf(0x08), 112_687],
  [addressOf(0x0c), 513_760],
  [addressOf(0x0e), 488_448],
  [addressOf(0x0f), 235_008],
]);

/** All of them, to give to `createEVM` in place of the library's. */
export function rollupPrecompiles(poll: Poll): Installed[] {
  return [
    ...ethereumPrecompiles(poll).map(limitInput),
    install(P256_VERIFY_ADDRESS, p256Verify, poll),
  ];
}

function limitInput(installed: Installed): Installed {
  const bytesMax = INPUT_BYTES_MAX.get(installed.address);
  if (bytesMax === undefined) return installed;
  return {
    ...installed,
    function: (input) =>
      input.data.length > bytesMax
        ? fail(input.gasLimit, "invalid input length")
        : installed.function(input),
  };
}
