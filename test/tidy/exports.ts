/** Exports that no program needs. */
import ts from "typescript";
import { descendants, type Finding, isTest, type Rule, type SourceFile } from "./sources.ts";

function isExported(node: ts.Statement): boolean {
  if (!ts.canHaveModifiers(node)) return false;
  return ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

function exportsOf({ tree }: SourceFile): string[] {
  const found: string[] = [];
  for (const node of tree.statements) {
    if (!isExported(node)) continue;
    if (ts.isVariableStatement(node)) {
      for (const { name } of node.declarationList.declarations)
        if (ts.isIdentifier(name)) found.push(name.text);
    } else if (
      (ts.isFunctionDeclaration(node) ||
        ts.isClassDeclaration(node) ||
        ts.isInterfaceDeclaration(node) ||
        ts.isTypeAliasDeclaration(node)) &&
      node.name !== undefined
    )
      found.push(node.name.text);
  }
  return found;
}

function mentions({ tree }: SourceFile, name: string): number {
  let count = 0;
  for (const node of descendants(tree)) if (ts.isIdentifier(node) && node.text === name) count++;
  return count;
}

/**
 * What is exported is used: by another file of the code, or in its own. What only tests take is
 * code that no program needs.
 */
export const deadExports: Rule = (files) => {
  /** Whether code, not only a test, takes the export. */
  const taken = new Map<string, boolean>();
  for (const file of files)
    for (const { target, names } of file.imports)
      for (const name of target === null ? [] : names) {
        const key = `${String(target)} ${name}`;
        const byCode = !isTest(file.path) || isTest(String(target));
        taken.set(key, byCode || taken.get(key) === true);
      }
  const found: Finding[] = [];
  for (const file of files) {
    if (taken.get(`${file.path} *`) === true) continue;
    for (const name of exportsOf(file)) {
      if (taken.get(`${file.path} ${name}`) === true || mentions(file, name) > 1) continue;
      found.push({ rule: "dead-export", file: file.path, detail: name });
    }
  }
  return found;
};
