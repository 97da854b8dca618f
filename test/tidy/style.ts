/** Limits and forms of single files. STYLE 2, 4, 5. */
import { posix } from "node:path";
import ts from "typescript";
import { descendants, type Finding, isTest, type Rule, type SourceFile } from "./sources.ts";

const FILE_LINES_MAX = 400;
/** A test file is read from the top: one long table of cases is better than two halves. */
const TEST_FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;
const COLUMNS_MAX = 100;

/** Applies to each file by itself. */
function each(rule: string, check: (file: SourceFile) => Iterable<string>): Rule {
  return (files) =>
    files.flatMap((file) =>
      [...check(file)].map((detail): Finding => ({ rule, file: file.path, detail })),
    );
}

function lineOf(tree: ts.SourceFile, position: number): number {
  return tree.getLineAndCharacterOfPosition(position).line + 1;
}

export const fileNames = each("file-name", function* ({ path }) {
  const name = posix.basename(path);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(name)) yield "is not kebab-case";
  if (/(^|-)(utils?|helpers?|misc|common|index)(-|\.)/.test(name)) yield "says nothing";
});

export const headers = each("header", function* ({ path, text }) {
  if (path.endsWith(".test.ts")) return;
  // Polyfills come first, before anything that needs them is imported.
  const start = text.replace(/^#!.*\n/, "").replace(/^(import "core-js\/[^"]*";\n)+/, "");
  if (!start.startsWith("/**")) yield "does not begin with a comment";
});

export const fileLength = each("file-length", function* ({ path, text }) {
  const lines = text.split("\n").length - 1;
  if (lines > (isTest(path) ? TEST_FILE_LINES_MAX : FILE_LINES_MAX)) yield `${lines} lines`;
});

/**
 * Strings, addresses, and tables and formulas in comments cannot be broken: they count as nothing.
 */
export const columns = each("columns", function* ({ text }) {
  for (const [index, line] of text.split("\n").entries()) {
    if (/^ *\* ( {2}|\|)/.test(line)) continue;
    const breakable = line
      .replace(/https?:\/\/\S+/g, "")
      .replace(/"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\/(?:[^/\\\s]|\\.)+\/[a-z]*/g, "");
    if (breakable.length > COLUMNS_MAX) yield `line ${index + 1} has ${line.length} columns`;
  }
});

/**
 * Lines of a function without those of longer functions in it: a factory is measured as a class is.
 */
function ownLines(tree: ts.SourceFile, node: ts.Node): number {
  const lines = (each: ts.Node) => lineOf(tree, each.end) - lineOf(tree, each.getStart(tree)) + 1;
  let inner = 0;
  const subtract = (child: ts.Node): void => {
    if (ts.isFunctionLike(child) && lines(child) > 1) inner += lines(child) - 1;
    else ts.forEachChild(child, subtract);
  };
  ts.forEachChild(node, subtract);
  return lines(node) - inner;
}

export const functionLength = each("function-length", function* ({ tree }) {
  for (const node of descendants(tree)) {
    if (!ts.isFunctionLike(node)) continue;
    const lines = ownLines(tree, node);
    if (lines > FUNCTION_LINES_MAX)
      yield `${lines} lines from line ${lineOf(tree, node.getStart(tree))}`;
  }
});

/** No barrels, no default exports. */
export const exportForms = each("export-form", function* ({ tree }) {
  for (const node of tree.statements) {
    if (ts.isExportAssignment(node)) yield "default export";
    if (ts.isExportDeclaration(node) && node.exportClause === undefined) yield "export *";
    const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined;
    if (modifiers?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) === true)
      yield "default export";
  }
});

export const openEnds = each("open-end", function* ({ text }) {
  for (const [index, line] of text.split("\n").entries())
    if (/\b(TO[D]O|FIX[M]E|X{3}|HAC[K])\b/.test(line)) yield `line ${index + 1}`;
});

const ASSERTIONS = new Set([
  ...["ok", "notOk", "equal", "not", "same", "notSame", "strictSame", "match", "notMatch"],
  ...["has", "type", "throws", "doesNotThrow", "rejects", "resolves", "error", "pass", "fail"],
]);

/** Whether anything in here asserts: itself, or by handing its `t` to a function that does. */
function asserts(node: ts.Node): boolean {
  for (const child of descendants(node)) {
    if (!ts.isCallExpression(child)) continue;
    const { expression } = child;
    if (ts.isPropertyAccessExpression(expression) && ts.isIdentifier(expression.expression)) {
      if (expression.expression.text === "t" && ASSERTIONS.has(expression.name.text)) return true;
    }
    if (child.arguments.some((argument) => ts.isIdentifier(argument) && argument.text === "t"))
      return true;
  }
  return false;
}

function callOfTest(node: ts.Node): ts.CallExpression | null {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return null;
  const { expression, name } = node.expression;
  return ts.isIdentifier(expression) && expression.text === "t" && name.text === "test"
    ? node
    : null;
}

/** Every test asserts something; none is skipped or alone. */
export const assertions = each("assertion", function* ({ path, tree, text }) {
  if (!path.endsWith(".test.ts")) return;
  let tests = 0;
  for (const node of descendants(tree)) {
    const call = callOfTest(node);
    if (call === null) continue;
    tests++;
    if (!asserts(call)) yield `the test in line ${lineOf(tree, call.getStart(tree))} has none`;
  }
  if (tests === 0 && !asserts(tree)) yield "the file has none";
  if (/\bt\.(only|skip|todo)\(|\b(only|skip|todo): (true|")/.test(text)) yield "skips tests";
});

export const testPlaces = each("test-place", function* ({ path }) {
  if (path.endsWith(".test.ts") && !isTest(path)) yield "tests are in test/";
});
