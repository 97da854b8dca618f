/** The banner, in the order that users of anvil know: accounts, keys, wallet, chain, endpoints. */
import { DERIVATION_PATH, MNEMONIC } from "./accounts.ts";
import type { DevnetFile } from "./devnet-file.ts";

const RULE = "==================";

export interface BannerFacts {
  readonly blockTimeMs: number;
  readonly gasLimit: bigint;
  /** Absolute. */
  readonly dir: string;
}

/** The whole banner, without a line break at the end. */
export function formatBanner(file: DevnetFile, facts: BannerFacts): string {
  const contracts = Object.entries(file.contracts);
  const nameWidth = Math.max(...contracts.map(([name]) => name.length));
  const section = (title: string, lines: readonly string[]): string =>
    ["", title, RULE, "", ...lines].join("\n");
  const endpoints: readonly (readonly [string, string])[] = [
    ["L1", file.l1.rpcUrl],
    ["Sequencer", `${file.sequencer.rpcUrl}  ${file.sequencer.wsUrl}`],
    ...file.followers.map(
      ({ rpcUrl, wsUrl }, index) => [`Follower ${index + 1}`, `${rpcUrl}  ${wsUrl}`] as const,
    ),
  ];
  return [
    "Pricelane devnet",
    section(
      "Available Accounts",
      file.accounts.map(({ address }, index) => `(${index}) ${address} (10000 ETH on both chains)`),
    ),
    section(
      "Private Keys",
      file.accounts.map(({ privateKey }, index) => `(${index}) ${privateKey}`),
    ),
    section("Wallet", [`Mnemonic:          ${MNEMONIC}`, `Derivation path:   ${DERIVATION_PATH}`]),
    section("Chain", [
      `Chain id:          ${file.l2.chainId}`,
      `L1 chain id:       ${file.l1.chainId}`,
      `Block time:        ${facts.blockTimeMs} ms`,
      `Gas limit:         ${facts.gasLimit}`,
      `Folder:            ${facts.dir}`,
    ]),
    section(
      "Contracts",
      contracts.map(([name, address]) => `${name.padEnd(nameWidth)}  ${address}`),
    ),
    section("Policy", [`Hash:  ${file.policyHash}`, `File:  ${file.policyFile}`]),
    "",
    ...endpoints.map(([name, urls]) => `${`${name}:`.padEnd(14)}Listening on ${urls}`),
    "",
  ].join("\n");
}
