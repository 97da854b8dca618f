import fc from "fast-check";
import t from "tap";
import { toHex } from "../../../../lanes/bytes.ts";
import { ethereumPrecompiles } from "../../../../node/execution/embedded/precompiles/ethereum.ts";
import type { Installed } from "../../../../node/execution/embedded/precompiles/precompile.ts";
import { NEVER } from "../../../../node/execution/poll.ts";
import { agrees, callEthereum } from "../../fixtures/precompiles.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

t.test("known answers", async (t) => {
  // FIPS 180-4; the paper of RIPEMD-160, on the right of a word.
  t.same(callEthereum(0x02, text("abc")), {
    gas: 72n,
    output: "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    failed: false,
  });
  t.same(callEthereum(0x03, text("abc")), {
    gas: 720n,
    output: `0x${"00".repeat(12)}8eb208f7e05d987a9b044a8e98c6b087f15a0bfc`,
    failed: false,
  });
  t.same(callEthereum(0x04, text("abc")), { gas: 18n, output: toHex(text("abc")), failed: false });
});

t.test(
  "IDENTITY returns what its input was, whatever becomes of the caller's memory",
  async (t) => {
    const input = text("abc");
    const call = { data: input, gasLimit: 100n } as Parameters<Installed["function"]>[0];
    const [identity] = ethereumPrecompiles(NEVER).filter(({ address }) => BigInt(address) === 4n);
    const { returnValue } = await identity!.function(call);
    input.fill(0);
    t.same(returnValue, text("abc"));
  },
);

for (const index of [0x02, 0x03, 0x04])
  t.test(`0x0${index} agrees with the reference`, async (t) => {
    for (const length of [0, 1, 31, 32, 33, 65_535, 65_536, 65_537, 200_000])
      t.ok(await agrees(index, new Uint8Array(length).fill(length)), `${length} bytes`);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), (data) => agrees(index, data)),
    );
    t.pass();
  });
