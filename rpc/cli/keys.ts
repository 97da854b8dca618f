/**
 * `pricelane keys`: makes, imports and inspects encrypted key files (Web3 Secret Storage, as geth's).
 *
 * Keys and passwords come from files, standard input or a hidden prompt, never from arguments,
 * which every process on the machine can read. An existing file is never overwritten.
 */
import { randomBytes } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { Command } from "commander";
import { fromHex, type Hex, isHexOf } from "../../lanes/bytes.ts";
import { NodeError } from "../../node/errors.ts";
import { decryptKey, encryptKey } from "../../node/keystore.ts";
import { addressOf } from "../../node/primitives/signature.ts";
import { readLine, readSecretLine } from "./prompt.ts";

const EXAMPLES = `
The password is the first line of the file named with --password-file; without the option it is
asked for on the terminal. The private key of "import" is asked for too, or read from standard input.

Examples:
  pricelane keys new --out sequencer.json
  pricelane keys address sequencer.json --password-file password.txt
  pricelane keys import --out batcher.json --password-file password.txt < key.hex
`;

const PASSWORD_OPTION = [
  "--password-file <path>",
  "file whose first line is the password",
] as const;

interface PasswordOptions {
  readonly passwordFile?: string;
}

interface OutOptions extends PasswordOptions {
  readonly out: string;
}

/** The subcommand. */
export function createKeysCommand(): Command {
  const command = new Command("keys")
    .summary("make, import and inspect encrypted key files")
    .description("Makes, imports and inspects encrypted key files for sequencer and batcher.")
    .addHelpText("after", EXAMPLES);
  command
    .command("new")
    .description("Makes a random key, writes it encrypted, and prints its address.")
    .requiredOption("--out <path>", "file to write; it must not exist")
    .option(...PASSWORD_OPTION)
    .action(async (options: OutOptions) => {
      await writeKeystore(randomBytes(32), options);
    });
  command
    .command("import")
    .description("Reads a private key as hex from standard input and writes it encrypted.")
    .requiredOption("--out <path>", "file to write; it must not exist")
    .option(...PASSWORD_OPTION)
    .action(async (options: OutOptions) => {
      await writeKeystore(await readPrivateKey(), options);
    });
  command
    .command("address")
    .description("Decrypts a key file and prints the address of its key.")
    .argument("<file>", "key file")
    .option(...PASSWORD_OPTION)
    .action(async (file: string, options: PasswordOptions) => {
      await printAddress(file, options);
    });
  return command;
}

async function readPrivateKey(): Promise<Uint8Array> {
  const text = (
    process.stdin.isTTY ? await readSecretLine("Private key: ") : await readLine()
  ).trim();
  const hex = text.startsWith("0x") ? text : `0x${text}`;
  const invalid = new NodeError("KEY_INVALID", { expected: "64 hex digits of a valid key" });
  if (!isHexOf(hex, 32)) throw invalid;
  const key = fromHex(hex);
  try {
    addressOf(key);
  } catch {
    // Zero, or not below the curve's order; the library's error adds nothing.
    throw invalid;
  }
  return key;
}

async function readPassword({ passwordFile }: PasswordOptions, isNew: boolean): Promise<string> {
  if (passwordFile !== undefined) {
    const text = await readFileOf(passwordFile, "--password-file");
    return text.split(/\r?\n/, 1)[0] ?? "";
  }
  if (!process.stdin.isTTY)
    throw new NodeError("CONFIG_INVALID", {
      key: "--password-file",
      expected: "the path of a file, where there is no terminal to ask on",
    });
  const password = await readSecretLine("Password: ");
  if (isNew && (await readSecretLine("Again: ")) !== password)
    throw new NodeError("KEY_INVALID", { reason: "the two passwords differ" });
  return password;
}

async function readFileOf(path: string, key: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new NodeError("CONFIG_INVALID", { key, expected: "a file that can be read" }, cause);
  }
}

async function writeKeystore(key: Uint8Array, options: OutOptions): Promise<void> {
  const password = await readPassword(options, true);
  if (password === "") throw new NodeError("KEY_INVALID", { reason: "the password is empty" });
  const keystore = await encryptKey(key, password);
  let file;
  try {
    file = await open(options.out, "wx", 0o600);
  } catch (cause) {
    const expected = "a path that does not exist yet, in a folder that can be written";
    throw new NodeError("CONFIG_INVALID", { key: "--out", expected }, cause);
  }
  try {
    await file.writeFile(`${JSON.stringify(keystore, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  process.stdout.write(`${addressOf(key)}\n`);
}

/** Throws `KEY_INVALID`, which does not quote the text: it may be a key. */
function parseObject(text: string): object {
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Refused below.
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new NodeError("KEY_INVALID", { reason: "the file is not a JSON object" });
  return json;
}

async function printAddress(path: string, options: PasswordOptions): Promise<void> {
  const keystore = parseObject(await readFileOf(path, "file"));
  const password = await readPassword(options, false);
  const decrypted = await decryptKey(keystore, password);
  if (!decrypted.ok) throw new NodeError(decrypted.code, decrypted.data);
  const address: Hex = addressOf(decrypted.value);
  process.stdout.write(`${address}\n`);
}
