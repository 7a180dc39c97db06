// Types out of the way: spaces stand where they were, so every line and column stays.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The JavaScript of a TypeScript source. What would need code of its own (`enum`, `namespace`) is an error. */
export function blankTypes(text, file) {
  const amaro = createRequire(resolve("package.json"))("amaro");
  try {
    return amaro.transformSync(text, { mode: "strip-only", filename: file }).code;
  } catch ({ message, startLine }) {
    const hint = "leave out `enum`, `namespace` and parameter properties";
    throw new Error(`${file}:${startLine ?? "?"}: the types cannot be left out: ${message}\nhint: ${hint}`);
  }
}

/** Node's hook for loading modules. */
export async function load(url, context, next) {
  if (!url.startsWith("file:") || !url.endsWith(".ts")) return next(url, context);
  const file = fileURLToPath(url);
  return { format: "module", shortCircuit: true, source: blankTypes(readFileSync(file, "utf8"), file) };
}
