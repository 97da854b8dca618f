import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

/** Imports one way: lanes ← node ← rpc ← devnet. The full graph is checked in test/tidy.test.ts. */
const forbidFolders = (...folders) => [
  "error",
  {
    patterns: folders.map((folder) => ({
      group: [`**/${folder}/**`],
      message: "Imports flow one way: lanes ← node ← rpc ← devnet.",
    })),
  },
];

const NO_AMBIENT = "The core is deterministic: clock and randomness arrive as dependencies.";

export default tseslint.config(
  {
    ignores: [
      "dist/",
      "node_modules/",
      ".devnet*/",
      ".tap/",
      ".cache/",
      ".build/",
      "coverage/",
      "eslint.config.js",
    ],
  },
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "TSEnumDeclaration", message: "Use a const object or a union." },
        { selector: "ExportAllDeclaration", message: "No barrels." },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: true },
      ],
    },
  },
  {
    files: ["lanes/**/*.ts"],
    rules: {
      "no-restricted-imports": forbidFolders("node", "rpc", "devnet", "test"),
      "no-restricted-globals": [
        "error",
        ...["Date", "process", "Buffer", "setTimeout", "setInterval", "performance", "crypto"].map(
          (name) => ({ name, message: NO_AMBIENT }),
        ),
      ],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: NO_AMBIENT },
      ],
    },
  },
  {
    files: ["node/**/*.ts"],
    rules: { "no-restricted-imports": forbidFolders("rpc", "devnet", "test") },
  },
  {
    files: ["node/{execution,chain,txpool,sequencer}/**/*.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: NO_AMBIENT },
        { object: "Date", property: "now", message: NO_AMBIENT },
      ],
    },
  },
  { files: ["rpc/**/*.ts"], rules: { "no-restricted-imports": forbidFolders("devnet", "test") } },
  { files: ["devnet/**/*.ts"], rules: { "no-restricted-imports": forbidFolders("test") } },
  {
    files: ["test/**/*.ts"],
    rules: {
      // tap's `t.test` returns a promise that the parent awaits by itself.
      "@typescript-eslint/no-floating-promises": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
      // tap's assertions are bound to their test.
      "@typescript-eslint/unbound-method": "off",
    },
  },
);
