/**
 * The settings of one node. Owns their table (key, environment variable, flag, accepted values,
 * default), their precedence (flags over environment over file over defaults), and the check that
 * keys, role and rollup file fit together. Does not own the rollup file (`rollup-file.ts`).
 *
 * Every error names the key, where its value came from, and what is accepted; never the value,
 * which may hold credentials.
 */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { Hex } from "../lanes/bytes.ts";
import { NodeError } from "./errors.ts";
import {
  type DivergenceSettings,
  divergenceSchema,
  readFeedThresholds,
} from "./alarm-thresholds.ts";
import { invalidSetting, readJson } from "./json-file.ts";
import { KEY_VARIABLES, loadKey, refuseDevnetKey } from "./keys.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";
import type { RollupConfig } from "./rollup-config.ts";
import { loadRollupFile } from "./rollup-file.ts";

export interface NodeConfig {
  readonly role: "sequencer" | "follower";
  readonly rollupFile: string;
  readonly rollup: RollupConfig;
  /**
   * keccak256 of the validated rollup file as canonical JSON: spelling and key order do not matter.
   */
  readonly rollupHash: Hex;
  readonly dataDir: string;
  /** Where the journal and the signer's marks are kept; `null` for the data folder. */
  readonly journalDir: string | null;
  /** One port for HTTP and WebSocket; 0 takes any free one. */
  readonly rpc: { readonly host: string; readonly port: number };
  /** Where Prometheus is answered; nowhere where the port is `null`. */
  readonly metrics: { readonly host: string; readonly port: number | null };
  readonly p2p: { readonly listen: string[]; readonly peers: string[] };
  readonly l1: {
    readonly rpcUrl: string;
    readonly beaconUrl: string;
    readonly pollIntervalMs: number;
  };
  /** `key` is `null` on followers. */
  readonly sequencer: {
    readonly key: Hex | null;
    readonly flashblockMs: number;
    /** Threads that re-execute what is built. */
    readonly verifiers: number;
    /** Of so many flashblocks one is re-executed. */
    readonly verifyEvery: number;
  };
  readonly batcher: { readonly key: Hex | null; readonly intervalMs: number };
  readonly txpool: { readonly globalMax: number; readonly accountMax: number };
  /** When a feed is an alarm. */
  readonly divergence: DivergenceSettings;
  readonly workers: number;
  readonly logLevel: LogLevel;
  /** Stop when standard input closes: children of the devnet go with their parent. */
  readonly exitWithParent: boolean;
}

const path = z.string().min(1);
const httpUrl = z.url({ protocol: /^https?$/ });
const port = z.int().min(0).max(65_535);
const multiaddr = z.string().regex(/^\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d+(\/.*)?$/);
const peerAddress = multiaddr.regex(/\/p2p\/[1-9A-HJ-NP-Za-km-z]+$/);
/** Addresses in one list setting. */
const LIST_MAX = 64;

const settingsSchema = z.strictObject({
  role: z.enum(["sequencer", "follower"]),
  rollupFile: path,
  dataDir: path,
  journalDir: path.nullable().default(null),
  rpc: z
    .strictObject({ host: z.string().min(1).default("127.0.0.1"), port: port.default(9545) })
    .prefault({}),
  metrics: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      port: port.nullable().default(null),
    })
    .prefault({}),
  p2p: z
    .strictObject({
      listen: z.array(multiaddr).max(LIST_MAX).default([]),
      peers: z.array(peerAddress).max(LIST_MAX).default([]),
    })
    .prefault({}),
  l1: z
    .strictObject({
      rpcUrl: httpUrl,
      beaconUrl: httpUrl.optional(),
      pollIntervalMs: z.int().min(50).max(60_000).default(1000),
    })
    // No default for the URL itself: an empty section is refused under `l1.rpcUrl`.
    .prefault({} as { rpcUrl: string }),
  sequencer: z
    .strictObject({
      flashblockMs: z.int().min(10).max(1000).default(50),
      verifiers: z.int().min(1).max(64).default(1),
      verifyEvery: z.int().min(1).max(1000).default(1),
    })
    .prefault({}),
  batcher: z
    .strictObject({ intervalMs: z.int().min(100).max(3_600_000).default(6000) })
    .prefault({}),
  txpool: z
    .strictObject({
      globalMax: z.int().min(1).max(1_000_000).default(16_384),
      accountMax: z.int().min(1).max(16_384).default(256),
    })
    .prefault({}),
  divergence: divergenceSchema.prefault({}),
  workers: z.int().min(1).max(64).default(2),
  logLevel: z.enum(LOG_LEVELS).default("info"),
  exitWithParent: z.boolean().default(false),
});

export interface Setting {
  /** Path in the config file and in `NodeConfig`. */
  readonly key: string;
  readonly env: string;
  readonly flag: string;
  /** How text becomes a value; lists are comma-separated in the environment. */
  readonly kind: "text" | "path" | "integer" | "list" | "switch";
  readonly accepted: string;
  readonly help: string;
}

type Row = readonly [
  key: string,
  env: string,
  flag: string,
  kind: Setting["kind"],
  accepted: string,
  help: string,
];

// prettier-ignore
const ROWS: readonly Row[] = [
  ["role", "ROLE", "--role", "text", "sequencer or follower", "what this node does"],
  ["rollupFile", "ROLLUP", "--rollup", "path", "the path of a rollup config file", "what all nodes of the chain agree on"],
  ["dataDir", "DATA_DIR", "--data-dir", "path", "the path of a folder", "where the chain is kept; made when missing"],
  ["journalDir", "JOURNAL_DIR", "--journal-dir", "path", "the path of a folder", "where a sequencer's journal and its signer's marks are kept: another disk, if possible (the data folder)"],
  ["rpc.host", "RPC_HOST", "--rpc-host", "text", "a host name or address", "where HTTP and WebSocket listen (127.0.0.1)"],
  ["rpc.port", "RPC_PORT", "--rpc-port", "integer", "an integer from 0 to 65535, 0 for any free port", "port of HTTP and WebSocket (9545)"],
  ["metrics.host", "METRICS_HOST", "--metrics-host", "text", "a host name or address", "where metrics for Prometheus are served (127.0.0.1)"],
  ["metrics.port", "METRICS_PORT", "--metrics-port", "integer", "an integer from 0 to 65535, 0 for any free port", "port of metrics for Prometheus, GET /metrics (none: not served)"],
  ["p2p.listen", "P2P_LISTEN", "--p2p-listen", "list", "multiaddrs like /ip4/0.0.0.0/tcp/9900, at most 64", "where libp2p listens (nowhere)"],
  ["p2p.peers", "P2P_PEERS", "--p2p-peer", "list", "multiaddrs ending in /p2p/ID, at most 64", "peers to stay connected to (none)"],
  ["l1.rpcUrl", "L1_RPC_URL", "--l1-rpc-url", "text", "an http or https URL", "JSON-RPC of L1"],
  ["l1.beaconUrl", "L1_BEACON_URL", "--l1-beacon-url", "text", "an http or https URL", "beacon API that serves blobs (the JSON-RPC URL)"],
  ["l1.pollIntervalMs", "L1_POLL_INTERVAL_MS", "--l1-poll-interval-ms", "integer", "an integer from 50 to 60000", "milliseconds between looks at L1 (1000)"],
  ["sequencer.flashblockMs", "FLASHBLOCK_MS", "--flashblock-ms", "integer", "an integer from 10 to 1000", "least time between two beginnings of normal work on an idle chain, in milliseconds (50)"],
  ["sequencer.verifiers", "VERIFIERS", "--verifiers", "integer", "an integer from 1 to 64", "threads that re-execute each block before it is signed (1)"],
  ["sequencer.verifyEvery", "VERIFY_EVERY", "--verify-every", "integer", "an integer from 1 to 1000", "re-execute one flashblock of this many; 1 for all of them (1)"],
  ["batcher.intervalMs", "BATCH_INTERVAL_MS", "--batch-interval-ms", "integer", "an integer from 100 to 3600000", "post a batch at the latest this many milliseconds after its first block (6000)"],
  ["txpool.globalMax", "TXPOOL_GLOBAL_MAX", "--txpool-global-max", "integer", "an integer from 1 to 1000000", "transactions the txpool holds (16384)"],
  ["txpool.accountMax", "TXPOOL_ACCOUNT_MAX", "--txpool-account-max", "integer", "an integer from 1 to 16384", "transactions the txpool holds of one account (256)"],
  ["divergence.gapBps", "GAP_ALARM_BPS", "--gap-alarm-bps", "integer", "an integer from 1 to 1000000", "alarm while a feed's newest report is further from the chain's value, in basis points; never less than the feed's deviationBps (100)"],
  ["divergence.spreadBps", "SPREAD_ALARM_BPS", "--spread-alarm-bps", "integer", "an integer from 1 to 1000000", "alarm while a feed's publishers are further apart, in basis points (200)"],
  ["divergence.feeds", "FEED_ALARMS", "--feed-alarm", "list", "ID=GAP:SPREAD like ETH/USD=50:100, basis points from 1 to 1000000, at most 1024", "other limits of the two for single feeds (none)"],
  ["workers", "WORKERS", "--workers", "integer", "an integer from 1 to 64", "threads for signatures and roots (2)"],
  ["logLevel", "LOG_LEVEL", "--log-level", "text", LOG_LEVELS.join(", "), "least severe log level written to standard error (info)"],
  ["exitWithParent", "EXIT_WITH_PARENT", "--exit-with-parent", "switch", "true or false", "stop when standard input closes"],
];

const PREFIX = "PRICELANE_";

/** Every setting of a node but its keys. */
export const SETTINGS: readonly Setting[] = ROWS.map(([key, env, flag, kind, accepted, help]) => ({
  key,
  env: PREFIX + env,
  flag,
  kind,
  accepted,
  help,
}));

/** Names the config file itself; has no place in the file. */
export const CONFIG_FILE_VARIABLE = "PRICELANE_CONFIG";

/** By setting key: text, texts for lists, `true` for switches. */
export type Flags = Readonly<Record<string, string | readonly string[] | boolean | undefined>>;

export interface ConfigSources {
  /** Path of a JSON file with the settings as nested objects. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: Flags;
}

/**
 * Loads and checks everything a node is told at start.
 *
 * Relative paths: those in the file start at the file's folder, others at the working directory.
 * Errors: `CONFIG_INVALID`, `POLICY_INVALID`, `KEY_INVALID`, `DEVNET_KEY`.
 */
export async function loadNodeConfig(sources: ConfigSources): Promise<NodeConfig> {
  refuseUnknown(sources);
  const origins = new Map<string, string>();
  const raw = await readConfigFile(sources.file);
  for (const setting of SETTINGS) {
    const fromFile = valueAt(raw, setting.key);
    if (fromFile !== undefined) {
      origins.set(setting.key, sources.file ?? "");
      if (setting.kind === "path" && typeof fromFile === "string")
        setValue(raw, setting.key, resolve(dirname(sources.file ?? ""), fromFile));
    }
    const env = sources.env[setting.env];
    if (env !== undefined) override(raw, origins, setting, env, setting.env);
    const flag = sources.flags[setting.key];
    if (flag !== undefined) override(raw, origins, setting, flag, setting.flag);
  }
  const parsed = settingsSchema.safeParse(raw);
  if (!parsed.success) throw settingError(parsed.error, origins, sources.file);
  const { sequencer, batcher, l1, divergence, ...settings } = parsed.data;
  const { rollup, rollupHash, policy } = await loadRollupFile(settings.rollupFile);
  const feeds = readFeedThresholds(divergence.feeds, policy.document.feeds);
  if (!feeds.ok) {
    const from = origins.get("divergence.feeds") ?? "";
    throw invalidSetting("divergence.feeds", from, String(feeds.data["expected"]));
  }
  const keys = await loadKeys(settings.role, rollup, sources.env);
  return {
    ...settings,
    rollup,
    rollupHash,
    l1: { ...l1, beaconUrl: l1.beaconUrl ?? l1.rpcUrl },
    sequencer: { ...sequencer, key: keys.sequencer },
    batcher: { ...batcher, key: keys.batcher },
    divergence: { ...divergence, feeds: feeds.value },
  };
}

/**
 * Variables that Kubernetes puts into every container of a namespace with a service of our name.
 */
const KUBERNETES_VARIABLE = /^PRICELANE_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_.+)$/;

function refuseUnknown({ env, flags }: ConfigSources): void {
  const variables = new Set<string>([
    CONFIG_FILE_VARIABLE,
    ...SETTINGS.map((setting) => setting.env),
    ...Object.values(KEY_VARIABLES).flatMap((names) => Object.values(names)),
  ]);
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || KUBERNETES_VARIABLE.test(name) || variables.has(name)) continue;
    throw invalidSetting(name, "environment", `one of ${[...variables].join(", ")}`);
  }
  const keys = SETTINGS.map((setting) => setting.key);
  for (const key of Object.keys(flags))
    if (!keys.includes(key)) throw invalidSetting(key, "flags", `one of ${keys.join(", ")}`);
}

type Raw = Record<string, unknown>;

const isObject = (value: unknown): value is Raw =>
  typeof value === "object" && value !== null && !Array.isArray(value);

async function readConfigFile(file: string | undefined): Promise<Raw> {
  if (file === undefined) return {};
  const content = await readJson(file, "config");
  if (!isObject(content)) throw invalidSetting("config", file, "a JSON object");
  return content;
}

/** Own members only: a file's `__proto__` is an unknown key like any other. */
function valueAt(raw: Raw, key: string): unknown {
  let value: unknown = raw;
  for (const part of key.split("."))
    value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  return value;
}

function setValue(raw: Raw, key: string, value: unknown): void {
  const parts = key.split(".");
  const last = parts.pop() as string;
  let target = raw;
  for (const part of parts) {
    const next = target[part] ?? {};
    // A file that has something else here is refused by the schema; it must not be overwritten.
    if (!isObject(next)) return;
    target[part] = next;
    target = next;
  }
  target[last] = value;
}

function override(
  raw: Raw,
  origins: Map<string, string>,
  setting: Setting,
  value: string | readonly string[] | boolean,
  origin: string,
): void {
  setValue(raw, setting.key, typeof value === "string" ? fromText(setting, value) : value);
  origins.set(setting.key, origin);
}

/** Text that is not of its kind stays text: the schema refuses it under its key. */
function fromText({ kind }: Setting, text: string): unknown {
  switch (kind) {
    case "text":
      return text;
    case "path":
      return text === "" ? text : resolve(text);
    case "integer":
      return /^[0-9]+$/.test(text) ? Number(text) : text;
    case "list":
      return text === "" ? [] : text.split(",").map((entry) => entry.trim());
    case "switch":
      return text === "true" ? true : text === "false" ? false : text;
  }
}

function settingError(
  error: z.ZodError,
  origins: ReadonlyMap<string, string>,
  file: string | undefined,
): NodeError {
  const issue = error.issues[0];
  if (issue === undefined) return new NodeError("CONFIG_INVALID");
  const at = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const key = [...at, issue.keys[0] ?? ""].join(".");
    const known = SETTINGS.map((setting) => setting.key).join(", ");
    return invalidSetting(key, file ?? "flags", `one of ${known}; keys only from the environment`);
  }
  const key = at.join(".");
  const setting = SETTINGS.find((row) => row.key === key || key.startsWith(`${row.key}.`));
  if (setting !== undefined)
    return invalidSetting(
      setting.key,
      origins.get(setting.key) ?? `nowhere; set ${setting.flag} or ${setting.env}`,
      setting.accepted,
    );
  const members = SETTINGS.filter((row) => row.key.startsWith(`${key}.`)).map((row) => row.key);
  return invalidSetting(key, file ?? "flags", `an object with ${members.join(", ")}`);
}

async function loadKeys(
  role: NodeConfig["role"],
  rollup: RollupConfig,
  env: ConfigSources["env"],
): Promise<{ readonly sequencer: Hex | null; readonly batcher: Hex | null }> {
  if (role === "follower") return { sequencer: null, batcher: null };
  const sequencer = await loadKey(KEY_VARIABLES.sequencer, env);
  const batcher = await loadKey(KEY_VARIABLES.batcher, env);
  refuseDevnetKey(sequencer, rollup);
  refuseDevnetKey(batcher, rollup);
  if (sequencer.address !== rollup.sequencer)
    throw invalidSetting(
      sequencer.from,
      "environment",
      `the key of ${rollup.sequencer}, the sequencer of the rollup config`,
    );
  return { sequencer: sequencer.key, batcher: batcher.key };
}
