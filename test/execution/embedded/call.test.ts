import t from "tap";
import { fromHex, type Hex, toHex } from "../../../lanes/bytes.ts";
import { estimateGas, simulateCall } from "../../../node/execution/embedded/call.ts";
import type { CallRequest } from "../../../node/execution/engine.ts";
import { SEQUENCER_FEE_VAULT } from "../../../node/execution/predeploys.ts";
import {
  ALICE,
  BOB,
  CONTRACTS,
  createChain,
  ETHER,
  GWEI,
  initCode,
  lower,
  POOR,
  receiptOf,
  sign,
  type TestChain,
  words,
} from "../fixtures/chain.ts";

function request(fields: Partial<CallRequest> & { readonly to: Hex | null }): CallRequest {
  return {
    from: lower(ALICE.address),
    data: new Uint8Array(0),
    value: 0n,
    gasLimit: 30_000_000n,
    gasPrice: 0n,
    ...fields,
  };
}

function on(chain: TestChain) {
  return { rollup: chain.rollup, state: chain.memory.state, header: chain.head().header };
}

t.test("a call sees the block whose state it reads", async (t) => {
  const chain = createChain();
  await chain.block([]);
  const { header } = chain.head();
  const to = CONTRACTS.environment.address;
  const free = await simulateCall(on(chain), request({ to }));
  const expected = (baseFee: bigint): Hex =>
    words(
      baseFee,
      BigInt(SEQUENCER_FEE_VAULT),
      901n,
      BigInt(header.timestamp),
      1n,
      BigInt(header.prevRandao),
      30_000_000n,
      1n,
    );
  t.equal(toHex(free.output), expected(0n), "no base fee for who offers none");
  const paid = await simulateCall(on(chain), request({ to, gasPrice: GWEI, gasLimit: 100_000n }));
  t.equal(toHex(paid.output), expected(header.baseFeePerGas));
});

t.test("calls give revert data and the EVM's words, and change nothing", async (t) => {
  const chain = createChain();
  const reverted = await simulateCall(on(chain), request({ to: CONTRACTS.reverter.address }));
  t.match(reverted, { success: false, error: "revert" });
  t.equal(toHex(reverted.output), words(1n));
  const looped = await simulateCall(
    on(chain),
    request({ to: CONTRACTS.looper.address, gasLimit: 50_000n }),
  );
  t.match(looped, { success: false, error: "out of gas", gasUsed: 50_000n });
  const stored = await simulateCall(
    on(chain),
    request({ to: CONTRACTS.store.address, data: fromHex(words(1n, 2n)) }),
  );
  t.equal(stored.success, true);
  t.equal(chain.memory.state.slot(CONTRACTS.store.address, words(1n)), 0n);
  const created = await simulateCall(
    on(chain),
    request({ to: null, data: fromHex(initCode(CONTRACTS.store.code)) }),
  );
  t.equal(toHex(created.output), CONTRACTS.store.code);
});

t.test("the balance counts for value, and for gas only where a price is offered", async (t) => {
  const chain = createChain();
  const from = lower(POOR.address);
  const to = CONTRACTS.store.address;
  t.equal((await simulateCall(on(chain), request({ from, to }))).success, true);
  const error = "insufficient funds for gas * price + value";
  t.match(await simulateCall(on(chain), request({ from, to, value: 1n })), { error });
  t.match(await simulateCall(on(chain), request({ from, to, gasPrice: GWEI })), { error });
  t.match(await simulateCall(on(chain), request({ to, gasLimit: 20_000n })), {
    error: "intrinsic gas too low",
  });
  const long = new Uint8Array(49_153);
  t.match(await simulateCall(on(chain), request({ to: null, data: long })), {
    error: "max initcode size exceeded",
  });
});

t.test("calls at the same time do not disturb each other", async (t) => {
  const chain = createChain();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      simulateCall(
        on(chain),
        i % 2 === 0
          ? request({ to: CONTRACTS.reverter.address })
          : request({ to: CONTRACTS.environment.address }),
      ),
    ),
  );
  for (const [i, answer] of answers.entries()) t.equal(answer.success, i % 2 === 1);
});

t.test("an estimate is enough, and within 1.5 % of the least", async (t) => {
  const chain = createChain();
  const cases: readonly Parameters<typeof request>[0][] = [
    { to: lower(BOB.address), value: 1n },
    { to: CONTRACTS.store.address, data: fromHex(words(1n, 2n)) },
    { to: null, data: fromHex(initCode(CONTRACTS.store.code)) },
    // The call inside may use at most 63/64 of what is left (EIP-150).
    { to: CONTRACTS.caller.address, data: fromHex(words(BigInt(CONTRACTS.logger.address))) },
  ];
  for (const fields of cases) {
    const estimate = await estimateGas(on(chain), request(fields));
    t.ok(estimate.ok);
    if (!estimate.ok) continue;
    const enough = await simulateCall(on(chain), request({ ...fields, gasLimit: estimate.value }));
    t.equal(enough.success, true);
    const tooLittle = (estimate.value * 98n) / 100n;
    const less = await simulateCall(on(chain), request({ ...fields, gasLimit: tooLittle }));
    const worse = !less.success || toHex(less.output) !== toHex(enough.output);
    t.ok(worse || fields.to === CONTRACTS.caller.address, "2 % less does not do");
  }
  const transfer = await estimateGas(on(chain), request({ to: lower(BOB.address) }));
  t.same(transfer, { ok: true, value: 21_000n }, "exact for a plain transfer");
});

t.test("an estimate holds for the real transaction", async (t) => {
  const chain = createChain();
  const data = words(9n, 9n);
  const to = CONTRACTS.store.address;
  const estimate = await estimateGas(on(chain), request({ to, data: fromHex(data) }));
  if (!estimate.ok) throw new Error(estimate.code);
  await chain.engine.open(chain.environment());
  const transaction = await sign(ALICE, { to, data, gas: estimate.value });
  t.equal(receiptOf(await chain.engine.apply(transaction)).status, 1);
});

t.test("an estimate that cannot be given says why", async (t) => {
  const chain = createChain();
  t.same(await estimateGas(on(chain), request({ to: CONTRACTS.reverter.address })), {
    ok: false,
    code: "EXECUTION_REVERTED",
    data: { output: words(1n) },
  });
  const gasLimit = 40_000n;
  t.same(await estimateGas(on(chain), request({ to: CONTRACTS.looper.address, gasLimit })), {
    ok: false,
    code: "EXECUTION_FAILED",
    data: { reason: "gas required exceeds allowance (40000)" },
  });
  const rich = request({ to: lower(BOB.address), value: 1001n * ETHER });
  t.match(await estimateGas(on(chain), rich), { ok: false, code: "INSUFFICIENT_FUNDS" });
  const gasPrice = (1000n * ETHER) / 22_000n;
  const dear = request({ to: CONTRACTS.store.address, data: fromHex(words(1n, 2n)), gasPrice });
  t.same(await estimateGas(on(chain), dear), {
    ok: false,
    code: "EXECUTION_FAILED",
    data: { reason: "gas required exceeds allowance (22000)" },
  });
});
