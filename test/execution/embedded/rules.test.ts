import t from "tap";
import { bytesToBigint, toHex } from "../../../lanes/bytes.ts";
import { addressOf, createMachine } from "../../../node/execution/embedded/evm.ts";
import { type BlockContext, ISTHMUS, type Rules } from "../../../node/execution/embedded/rules.ts";
import { createWorkingState, EMPTY_ACCOUNT } from "../../../node/execution/embedded/state.ts";
import { applyTransaction } from "../../../node/execution/embedded/transition.ts";
import { BASE_FEE_VAULT } from "../../../node/primitives/predeploys.ts";
import type { Transaction } from "../../../node/primitives/transaction.ts";
import { CANCUN, testBlockHash } from "../../vectors/cancun.ts";
import {
  ALICE,
  BOB,
  CAROL,
  CHAIN_ID,
  CONTRACTS,
  deposit,
  ETHER,
  GWEI,
  lower,
  sign,
  words,
} from "../fixtures/chain.ts";
import { createMemoryState } from "../fixtures/state.ts";

const BENEFICIARY = `0x${"be".repeat(20)}` as const;
const PARENT = `0x${"9a".repeat(32)}` as const;

const CONTEXT: BlockContext = {
  number: 300,
  timestamp: 1,
  gasLimit: 30_000_000n,
  baseFee: GWEI,
  blobBaseFee: 77n,
  beneficiary: BENEFICIARY,
  prevRandao: words(5n),
  parentHash: PARENT,
};

async function open(rules: Rules) {
  const state = createWorkingState(createMemoryState().state);
  state.setAccount(lower(ALICE.address), { ...EMPTY_ACCOUNT, balance: ETHER });
  for (const { address, code } of Object.values(CONTRACTS))
    state.setCode(address, Buffer.from(code.slice(2), "hex"));
  const machine = await createMachine(CHAIN_ID, state, CONTEXT, rules);
  const apply = (transaction: Transaction) =>
    applyTransaction({ machine, gasUsed: 0n, fees: null }, transaction);
  const balance = (address: typeof BENEFICIARY) => state.account(address)?.balance ?? 0n;
  return { machine, apply, balance };
}

t.test("the base fee goes where the rules say, the tip to the beneficiary", async (t) => {
  const transfer = await sign(ALICE, { to: lower(BOB.address), value: 1n, gas: 21_000n });
  const fee = 21_000n * GWEI;
  for (const [rules, vault] of [
    [ISTHMUS, fee],
    [CANCUN, 0n],
  ] as const) {
    const { apply, balance } = await open(rules);
    const result = await apply(transfer);
    t.equal(result.ok, true);
    t.equal(balance(BENEFICIARY), fee, "the tip equals the base fee here");
    t.equal(balance(BASE_FEE_VAULT), vault);
    t.equal(balance(lower(ALICE.address)), ETHER - 2n * fee - 1n);
  }
});

t.test("a tip of nothing ends an empty beneficiary", async (t) => {
  const { machine, apply } = await open(ISTHMUS);
  machine.state.setAccount(BENEFICIARY, EMPTY_ACCOUNT);
  const to = lower(BOB.address);
  await apply(await sign(ALICE, { to, gas: 21_000n, maxPriorityFeePerGas: 0n }));
  t.equal(machine.state.account(BENEFICIARY), null);
});

t.test("types that the rules do not name are refused", async (t) => {
  const authorization = await CAROL.signAuthorization({
    address: CONTRACTS.store.address,
    chainId: CHAIN_ID,
    nonce: 0,
  });
  const to = lower(CAROL.address);
  const delegating = await sign(ALICE, {
    type: "eip7702",
    to,
    authorizationList: [authorization],
  });
  for (const transaction of [delegating, deposit({})]) {
    const cancun = await open(CANCUN);
    t.same(await cancun.apply(transaction), { ok: false, code: "TX_TYPE_NOT_SUPPORTED" });
    const isthmus = await open(ISTHMUS);
    t.equal((await isthmus.apply(transaction)).ok, true);
  }
});

t.test("calldata has a least price only where the rules say so", async (t) => {
  const data = toHex(new Uint8Array(100).fill(1));
  const call = await sign(ALICE, { to: lower(BOB.address), data, gas: 22_600n });
  const cancun = await open(CANCUN);
  t.match(await cancun.apply(call), { ok: true, receipt: { gasUsed: 22_600n } });
  const isthmus = await open(ISTHMUS);
  t.same(await isthmus.apply(call), { ok: false, code: "INTRINSIC_GAS_TOO_LOW" });
});

t.test("a fee beyond all integers is beyond all balances", async (t) => {
  const { apply } = await open(ISTHMUS);
  const maxFeePerGas = 2n ** 255n;
  const result = await apply(
    await sign(ALICE, { to: lower(BOB.address), maxFeePerGas, maxPriorityFeePerGas: 0n }),
  );
  t.same(result, { ok: false, code: "INSUFFICIENT_FUNDS" });
});

t.test("opcodes see the block's context, and ancestors as the rules tell them", async (t) => {
  const { machine } = await open(CANCUN);
  const call = async (name: "environment" | "ancestor", data: Uint8Array) => {
    const { execResult } = await machine.evm.runCall({
      block: machine.block,
      to: addressOf(CONTRACTS[name].address),
      data,
      gasLimit: 1_000_000n,
    });
    return execResult.returnValue;
  };
  const seen = await call("environment", new Uint8Array(0));
  t.equal(toHex(seen.subarray(44, 64)), BENEFICIARY);
  t.equal(bytesToBigint(seen.subarray(224, 256)), 77n);
  const hashOf = async (number: bigint) =>
    toHex(await call("ancestor", Buffer.from(words(number).slice(2), "hex")));
  t.equal(await hashOf(299n), PARENT);
  t.equal(await hashOf(298n), testBlockHash(298));
  t.equal(await hashOf(43n), words(0n), "too old");
});
