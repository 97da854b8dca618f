import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ERRORS } from "../node/errors.ts";
import { loadSources, ROOT } from "./tidy/sources.ts";

const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

const manifest = JSON.parse(read("package.json")) as {
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
const dependencies = { ...manifest.dependencies, ...manifest.devDependencies };

const GUIDES = readdirSync(ROOT).filter((name) => name.endsWith(".md"));

/** Prettier pads tables: cells count, not the room around them. */
function cells(line: string): string {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim())
    .join(" | ");
}

function rowOf(code: string, row: (typeof ERRORS)[keyof typeof ERRORS]): string {
  return `\`${code}\` | ${row.severity} | ${row.gossip} | ${row.rpc} | ${row.text}`;
}

t.test("ERRORS.md and the table of codes say the same, both ways", async (t) => {
  const documented = read("ERRORS.md")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map(cells);
  const actual = Object.entries(ERRORS).map(([code, row]) => rowOf(code, row));
  const missing = actual.filter((row) => !documented.includes(row)).map((row) => `| ${row} |`);
  const stale = documented.filter((row) => !actual.includes(row)).map((row) => `| ${row} |`);
  t.same(missing, [], "rows to add to ERRORS.md, ready to paste");
  t.same(stale, [], "rows to take out of ERRORS.md");
  t.equal(new Set(documented).size, documented.length, "no row is there twice");
});

/** What stands in backticks, outside blocks of code. */
function quoted(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, inside]) => inside ?? "");
}

const isPath = (text: string): boolean =>
  /^(lanes|node|rpc|devnet|test|\.ci)\/[\w./-]*$/.test(text) ||
  /^[A-Z]+\.md$|^(package|tsconfig)\.json$|^eslint\.config\.js$/.test(text);

for (const guide of GUIDES)
  t.test(`${guide} names only what exists`, async (t) => {
    const text = read(guide);
    const gone = quoted(text).filter((name) => isPath(name) && !existsSync(join(ROOT, name)));
    t.same(gone, [], "paths");
    const scripts = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name ?? "");
    t.same(
      scripts.filter((name) => !Object.hasOwn(manifest.scripts, name)),
      [],
      "scripts",
    );
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link]) => link ?? "");
    t.same(
      links.filter((link) => !existsSync(join(ROOT, link))),
      [],
      "links",
    );
  });

/** Files that use a dependency without importing it: scripts and settings. */
const TOOLS = ["eslint.config.js", "tsconfig.json"];

t.test("versions are exact", async (t) => {
  const loose = Object.entries(dependencies).filter(
    ([, version]) => !/^(npm:(@[\w-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+$/.test(version),
  );
  t.same(loose, []);
});

t.test("each dependency has one line of why, and is needed", async (t) => {
  const documented = read("ARCHITECTURE.md")
    .split("\n")
    .map((line) => /^\| `(@?[\w./-]+)` +\| .*\w/.exec(line)?.[1])
    .filter((name) => name !== undefined);
  const names = Object.keys(dependencies);
  t.same(
    names.filter((name) => documented.filter((each) => each === name).length !== 1),
    [],
    "dependencies without their one line in ARCHITECTURE.md",
  );
  const sources = loadSources().map(({ text }) => text);
  const contracts = readdirSync(join(ROOT, "node/contracts"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sol"))
    .map((name) => read(join("node/contracts", name)));
  const tools = [...Object.values(manifest.scripts), ...TOOLS.map(read)];
  const needed = (name: string): boolean => {
    const quoted = new RegExp(`["'\`]${name}["'\`/-]`);
    const typed = name.replace("@types/", "");
    return (
      [...sources, ...contracts].some((text) => quoted.test(text)) ||
      tools.some((text) => text.includes(name)) ||
      (typed !== name && (typed === "node" || Object.hasOwn(dependencies, typed)))
    );
  };
  t.same(
    names.filter((name) => !needed(name)),
    [],
    "dependencies that nothing imports",
  );
});
