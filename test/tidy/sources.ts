/**
 * The project's TypeScript files as the rules see them: text, syntax tree, imports.
 * Owns reading and parsing; knows no rule.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** The repository: this file runs as `dist/test/tidy/sources.js`. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

export const CODE_FOLDERS = ["lanes", "node", "rpc", "devnet", "test"] as const;

export interface Import {
  readonly specifier: string;
  /** Path in the repository; `null` for packages and `node:` modules. */
  readonly target: string | null;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
  /** Names taken, `*` for a namespace or a side effect. */
  readonly names: readonly string[];
}

export interface SourceFile {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

/** What a rule found; `detail` tells findings of one rule in one file apart. */
export interface Finding {
  readonly rule: string;
  readonly file: string;
  readonly detail: string;
}

export type Rule = (files: readonly SourceFile[]) => Finding[];

/** Everything below a node, depth first. */
export function* descendants(node: ts.Node): Generator<ts.Node> {
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => {
    children.push(child);
  });
  for (const child of children) {
    yield child;
    yield* descendants(child);
  }
}

export function parse(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  return { path, text, tree, imports: importsOf(path, tree) };
}

/** All files of the five code folders. */
export function loadSources(): SourceFile[] {
  return CODE_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => posix.join(folder, name))
      .sort()
      .map((path) => parse(path, readFileSync(join(ROOT, path), "utf8"))),
  );
}

export function isTest(path: string): boolean {
  return path.startsWith("test/");
}

function importsOf(path: string, tree: ts.SourceFile): Import[] {
  const found: Import[] = [];
  for (const node of [...tree.statements, ...descendants(tree)]) {
    const made = importOf(path, node);
    if (made !== null && !found.some((other) => sameImport(other, made))) found.push(made);
  }
  return found;
}

function sameImport(a: Import, b: Import): boolean {
  return (
    a.specifier === b.specifier &&
    a.typeOnly === b.typeOnly &&
    a.names.join(",") === b.names.join(",")
  );
}

function importOf(path: string, node: ts.Node): Import | null {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const { names, typeOnly } = clauseOf(node.importClause);
    return imported(path, node.moduleSpecifier.text, names, typeOnly);
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    if (!ts.isStringLiteral(node.moduleSpecifier)) return null;
    const { exportClause } = node;
    const named = exportClause !== undefined && ts.isNamedExports(exportClause);
    const names = named ? exportClause.elements.map(originalName) : ["*"];
    return imported(path, node.moduleSpecifier.text, names, node.isTypeOnly);
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    if (argument !== undefined && ts.isStringLiteral(argument))
      return imported(path, argument.text, ["*"], false);
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    const { literal } = node.argument;
    if (ts.isStringLiteral(literal)) return imported(path, literal.text, ["*"], true);
  }
  return null;
}

function originalName(element: ts.ImportSpecifier | ts.ExportSpecifier): string {
  return (element.propertyName ?? element.name).text;
}

function clauseOf(clause: ts.ImportClause | undefined): { names: string[]; typeOnly: boolean } {
  if (clause === undefined) return { names: ["*"], typeOnly: false };
  const names = clause.name === undefined ? [] : ["default"];
  const { namedBindings } = clause;
  let typeOnly = clause.phaseModifier === ts.SyntaxKind.TypeKeyword;
  if (namedBindings !== undefined && ts.isNamespaceImport(namedBindings)) names.push("*");
  else if (namedBindings !== undefined) {
    const { elements } = namedBindings;
    names.push(...elements.map(originalName));
    typeOnly ||= clause.name === undefined && elements.every((element) => element.isTypeOnly);
  }
  return { names, typeOnly };
}

function imported(
  path: string,
  specifier: string,
  names: readonly string[],
  typeOnly: boolean,
): Import {
  const target = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : null;
  return { specifier, target, names, typeOnly };
}
