/**
 * `pricelane start`: the options of one node, sequencer or follower. Owns help and the way from
 * options to settings; `run.ts` runs the node.
 */
import { Command, Option } from "commander";
import {
  CONFIG_FILE_VARIABLE,
  type Flags,
  loadNodeConfig,
  type Setting,
  SETTINGS,
} from "../../node/config.ts";
import { KEY_VARIABLES } from "../../node/keys.ts";

const HELP = `
Every option is also an environment variable (--data-dir is PRICELANE_DATA_DIR) and a key of the
JSON file named with --config (dataDir, rpc.port is { "rpc": { "port": 9545 } }). Options win over
the environment, the environment over the file. Lists are comma-separated in the environment.

A sequencer needs two keys, from the environment only:
  ${KEY_VARIABLES.sequencer.key}            signs blocks; its address stands in the rollup file
  ${KEY_VARIABLES.batcher.key}              pays for batches on L1
or, instead of each, an encrypted file made with "pricelane keys" and a file with its password:
  ${KEY_VARIABLES.sequencer.keystore}, ${KEY_VARIABLES.sequencer.passwordFile}
  ${KEY_VARIABLES.batcher.keystore}, ${KEY_VARIABLES.batcher.passwordFile}

When the node is up it prints one line: "pricelane ready" and JSON with rpcUrl, wsUrl, peerId,
addresses, and metricsUrl where metrics are served. SIGINT and SIGTERM stop it in order; another
one, a second later, at once.

A feed whose newest report is away from the chain's value, whose publishers are apart, or whose
value is stale, for longer than the policy explains, is an alarm: in the log, and in lane_feeds.

Examples:
  pricelane start --role follower --rollup rollup.json --data-dir data \\
    --l1-rpc-url http://127.0.0.1:8545 --p2p-peer /ip4/192.0.2.1/tcp/9900/p2p/12D3KooW...
  pricelane start --config sequencer.json --rpc-port 0
`;

/** The subcommand. `clientVersion` is what the node calls itself. */
export function createStartCommand(clientVersion: string): Command {
  const command = new Command("start")
    .summary("run a sequencer or a follower")
    .description("Runs one node: a sequencer that makes blocks, or a follower that verifies them.")
    .option("--config <path>", `JSON file with settings (${CONFIG_FILE_VARIABLE})`)
    .addHelpText("after", HELP);
  for (const setting of SETTINGS) command.addOption(toOption(setting));
  return command.action(async (options: Record<string, unknown>) => {
    const config = await loadNodeConfig({
      file: (options["config"] as string | undefined) ?? process.env[CONFIG_FILE_VARIABLE],
      env: process.env,
      flags: toFlags(options),
    });
    // Worker threads and their children get a copy of the environment: not of the keys.
    for (const names of Object.values(KEY_VARIABLES))
      Reflect.deleteProperty(process.env, names.key);
    // The node's libraries take a second or more to load: help and mistakes do not wait for them.
    const { runNode } = await import("./run.ts");
    await runNode(config, clientVersion);
  });
}

function toOption({ flag, kind, help }: Setting): Option {
  switch (kind) {
    case "switch":
      return new Option(flag, help);
    case "list":
      return new Option(`${flag} <entry...>`, `${help}; may be repeated`);
    case "integer":
      return new Option(`${flag} <n>`, help);
    case "path":
      return new Option(`${flag} <path>`, help);
    case "text":
      return new Option(`${flag} <value>`, help);
  }
}

/** commander's names back to setting keys. */
function toFlags(options: Readonly<Record<string, unknown>>): Flags {
  return Object.fromEntries(
    SETTINGS.map((setting) => [setting.key, options[toOption(setting).attributeName()]]),
  ) as Flags;
}
