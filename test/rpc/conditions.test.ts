/** The parameter of `eth_sendRawTransactionConditional`. */
import t from "tap";
import { conditionsParam } from "../../rpc/conditions.ts";

const ADDRESS = `0x${"ab".repeat(20)}`;
const WORD = `0x${"01".padStart(64, "0")}`;

t.test("what is understood", async (t) => {
  t.match(conditionsParam.parse({}), { ok: true, value: { blockNumberMin: null, slots: [] } });
  const all = {
    ...{ blockNumberMin: "0x1", blockNumberMax: "0x2", timestampMin: "0x3", timestampMax: "0x4" },
    priceEpochMin: "0x5",
    knownAccounts: { [ADDRESS]: { [WORD]: WORD } },
  };
  t.same(conditionsParam.parse(all), {
    ok: true,
    value: {
      ...{ blockNumberMin: 1, blockNumberMax: 2, timestampMin: 3, timestampMax: 4 },
      priceEpochMin: 5,
      slots: [{ address: ADDRESS, slot: WORD, value: WORD }],
    },
  });
});

t.test("nothing that would not be kept is taken", async (t) => {
  const slots = Object.fromEntries(
    Array.from({ length: 65 }, (_, at) => [`0x${at.toString(16).padStart(64, "0")}`, WORD]),
  );
  for (const [conditions, name] of [
    [null, "conditions"],
    [[], "conditions"],
    [{ blockNumber: "0x1" }, "conditions.blockNumber"],
    [{ blockNumberMin: "1" }, "conditions.blockNumberMin"],
    [{ timestampMax: -1 }, "conditions.timestampMax"],
    [{ knownAccounts: [] }, "conditions.knownAccounts"],
    [{ knownAccounts: { "0x12": {} } }, "conditions.knownAccounts"],
    [
      { knownAccounts: { "0x0000F90827F1C53a10cb7A02335B175320002935": {} } },
      "conditions.knownAccounts.0x0000F90827F1C53a10cb7A02335B175320002935",
    ],
    [{ knownAccounts: { [ADDRESS]: WORD } }, `conditions.knownAccounts.${ADDRESS}`],
    [{ knownAccounts: { [ADDRESS]: { "0x1": WORD } } }, `conditions.knownAccounts.${ADDRESS}`],
    [{ knownAccounts: { [ADDRESS]: slots } }, "conditions.knownAccounts"],
  ] as const)
    t.match(conditionsParam.parse(conditions), { ok: false, data: { parameter: name } }, name);
});
