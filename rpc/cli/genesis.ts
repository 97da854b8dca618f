/**
 * `pricelane genesis`: writes the genesis file for an op-geth on the chain of a rollup file.
 * Owns reading and writing the two files; what is in them is `node/chain/geth-genesis.ts`'s.
 */
import { open } from "node:fs/promises";
import { Command } from "commander";
import { NodeError } from "../../node/errors.ts";
import { readRollupFile } from "./rollup-file.ts";

const HELP = `
Prints the hash of the genesis block: that of the Pricelane nodes of the chain, and of op-geth.

Example:
  pricelane genesis --rollup rollup.json --out genesis.json
  geth init --datadir data genesis.json
`;

interface Options {
  readonly rollup: string;
  readonly out: string;
}

/** The subcommand. */
export function createGenesisCommand(): Command {
  return new Command("genesis")
    .summary("write an op-geth genesis file for a chain")
    .description("Writes the genesis file with which op-geth starts the chain of a rollup file.")
    .requiredOption("--rollup <path>", "the path of a rollup config file")
    .requiredOption("--out <path>", "file to write; it must not exist")
    .addHelpText("after", HELP)
    .action(async (options: Options) => {
      const rollup = await readRollupFile(options.rollup);
      // The execution layer takes a while to load: help and mistakes do not wait for it.
      const { gethGenesis } = await import("../../node/chain/geth-genesis.ts");
      const { file, hash } = gethGenesis(rollup);
      await writeNew(options.out, `${JSON.stringify(file, null, 2)}\n`);
      process.stdout.write(`${hash}\n`);
    });
}

async function writeNew(path: string, text: string): Promise<void> {
  let file;
  try {
    file = await open(path, "wx");
  } catch (cause) {
    const expected = "a path that does not exist yet, in a folder that can be written";
    throw new NodeError("CONFIG_INVALID", { key: "--out", expected }, cause);
  }
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
