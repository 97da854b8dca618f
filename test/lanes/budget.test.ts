import fc from "fast-check";
import t from "tap";
import { capOf, checkFits } from "../../lanes/budget.ts";
import { policy } from "./fixtures/planted-violations.ts";

t.test("a share of what the system leaves, rounded down", async (t) => {
  const gas = { gasLimit: 60_000_000n, systemGas: 1_000_000n, systemReserveGas: 6_000_000 };
  t.equal(capOf(2000, gas), 10_600_000n);
  t.equal(capOf(0, gas), 0n);
  t.equal(capOf(1, { ...gas, gasLimit: 7_019_999n }), 1n, "1.9999 rounds down");
});

t.test("never negative, however much the system takes", async (t) => {
  t.equal(capOf(2000, { gasLimit: 5n, systemGas: 5n, systemReserveGas: 1 }), 0n);
  t.equal(capOf(2000, { gasLimit: 5n, systemGas: 5n, systemReserveGas: 0 }), 0n);
});

t.test("caps of any shares together leave the normal lane its half", async (t) => {
  const shares = fc
    .array(fc.nat(5000), { maxLength: 10 })
    .filter((all) => all.reduce((sum, share) => sum + share, 0) <= 5000);
  fc.assert(
    fc.property(
      shares,
      fc.bigInt(0n, 10n ** 9n),
      fc.bigInt(0n, 10n ** 8n),
      (all, gasLimit, sys) => {
        const gas = { gasLimit, systemGas: sys, systemReserveGas: 6_000_000 };
        const used = all.reduce((sum, share) => sum + capOf(share, gas), 0n);
        t.ok(used * 2n <= gasLimit);
      },
    ),
    { numRuns: 500 },
  );
});

t.test("a policy whose own limits no block can hold is refused by name", async (t) => {
  const { document } = policy;
  t.match(checkFits(document, 60_000_000n), { ok: true });
  t.match(checkFits(document, 20_000_000n), {
    ok: false,
    code: "POLICY_INVALID",
    data: { path: /maxGas$|maxTxGas$/ },
  });
  const heavy = { ...document.normal, heavyGas: document.normal.maxTxGas };
  t.match(checkFits({ ...document, normal: heavy }, 60_000_000n), { ok: true });
  const light = { ...heavy, heavyGas: heavy.maxTxGas - 1 };
  t.match(checkFits({ ...document, normal: light }, 60_000_000n), {
    ok: false,
    data: { path: "normal.heavyGas" },
  });
  const normal = { ...document.normal, maxTxGas: 59_000_000, heavyGas: 59_000_000 };
  t.match(checkFits({ ...document, normal }, 60_000_000n), {
    ok: false,
    data: { path: "normal.maxTxGas" },
  });
});
