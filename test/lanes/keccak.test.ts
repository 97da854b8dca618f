import t from "tap";
import { toHex } from "../../lanes/bytes.ts";
import { keccak, keccakText } from "../../lanes/keccak.ts";

t.test("keccak-256, not SHA3-256", async (t) => {
  // The code hash of an account without code, in every Ethereum state.
  const empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
  t.equal(toHex(keccak(new Uint8Array())), empty);
  // The selector of transfer(address,uint256), known to everyone.
  t.equal(toHex(keccakText("transfer(address,uint256)").subarray(0, 4)), "0xa9059cbb");
});
