/** Loads our own WebAssembly: text in `NAME.wat`, assembled by `npm run build` beside this file. */
import { readFileSync } from "node:fs";

/** Of the types of Node and ECMAScript none has it. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

export interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
}

/** What a kernel exports; the caller knows. */
export function loadKernel(name: string): unknown {
  const code = readFileSync(new URL(`./${name}.wasm`, import.meta.url));
  return new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
}
