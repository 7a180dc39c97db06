// The build of a component: sources and dependencies staged side by side, checked, and put into a QuickJS component.
// Run in a project's directory: node PATH/sdk/js/build.js WIT OUTPUT
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { blankTypes } from "./blank.js";

const SDK = dirname(fileURLToPath(import.meta.url));
const SDK_IN_COMPONENT = ["package.json", "tidemill.js", "delivery.js", "nesting.js", "report.js", "contract.js"];
const NOT_SOURCES = new Set(["node_modules", "build", "tidemill", "cases", "data"]);
const STAGE = resolve("build/stage");

const installed = createRequire(resolve("package.json"));
/** A tool of the project's own `devDependencies`. */
const tool = (name) => import(pathToFileURL(installed.resolve(name)).href);

const [wit, output] = process.argv.slice(2);
if (output === undefined) fail("the arguments are WIT OUTPUT", "run the project's build.sh");
const { main } = JSON.parse(readFileSync("package.json", "utf8"));
if (main === undefined || !existsSync(main)) {
  fail(`there is no \`${main ?? "main"}\` here`, "name the module that exports `handler` as `main` in package.json");
}

rmSync(STAGE, { recursive: true, force: true });
stageSources();
stageDependencies();
if (existsSync("tsconfig.json")) {
  await writeTypes();
  check();
}
await componentize();

/** Sources keep their names, lines and columns, so that the places in a stack are the user's own. */
function stageSources() {
  for (const file of sources(".")) {
    const text = readFileSync(file, "utf8");
    mkdirSync(join(STAGE, dirname(file)), { recursive: true });
    writeFileSync(join(STAGE, file), file.endsWith(".ts") ? withoutTypes(text, file) : text);
  }
}

function withoutTypes(text, file) {
  try {
    return blankTypes(text, file);
  } catch (error) {
    fail(error.message);
  }
}

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".") || (folder === "." && NOT_SOURCES.has(entry.name))) continue;
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.(js|mjs|ts|json)$/.test(entry.name) && !/\.(test|d)\.\w+$/.test(entry.name)) yield path;
  }
}

/** The module itself, and what package-lock.json has beside it that is not for development alone. */
function stageDependencies() {
  const module = join(STAGE, "node_modules/tidemill");
  mkdirSync(module, { recursive: true });
  for (const file of SDK_IN_COMPONENT) cpSync(join(SDK, file), join(module, file));
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
  for (const [path, { dev, link, optional }] of Object.entries(packages)) {
    const needed = path.startsWith("node_modules/") && !dev && !link && !optional;
    if (needed) cpSync(realpathSync(path), join(STAGE, path), { recursive: true, dereference: true });
  }
}

/** The contract's types, from the WIT: the module and the project are checked against them. */
async function writeTypes() {
  const { $init, generateTypes } = await tool("@bytecodealliance/jco-transpile/component");
  await $init;
  const types = generateTypes("processor", {
    wit: { tag: "source", val: readFileSync(join(wit, "processor.wit"), "utf8") },
    world: "processor",
    guest: true,
    tlaCompat: false,
    features: { tag: "all" },
    flagsAsBigint: false,
    variantsInlineCases: false,
    useNamespaceObjects: false,
    enumValuesScreamingSnakeCase: false,
  });
  rmSync("build/types", { recursive: true, force: true });
  for (const [name, text] of types) {
    mkdirSync(dirname(join("build/types", name)), { recursive: true });
    writeFileSync(join("build/types", name), text);
  }
}

function check() {
  const tsc = join(dirname(installed.resolve("typescript/package.json")), "bin/tsc");
  try {
    execFileSync(process.execPath, [tsc, "--noEmit", "--pretty", "false"], { stdio: ["ignore", 2, 2] });
  } catch {
    fail("the types do not fit", "see the lines above");
  }
}

async function componentize() {
  const { componentize: build } = await tool("componentize-qjs");
  const jsPath = join(STAGE, "node_modules/tidemill/component.js");
  const project = relative(dirname(jsPath), join(STAGE, main));
  const jsSource = readFileSync(join(SDK, "component.js"), "utf8").replace("tidemill:project", project);
  writeFileSync(jsPath, jsSource);
  let component;
  try {
    ({ component } = await build({
      witPath: resolve(wit),
      world: "bulk-processor",
      jsSource,
      jsPath,
      moduleRoot: STAGE,
      sync: true,
    }));
  } catch (error) {
    fail(`the component could not be built: ${error.message}`, "the module runs once while it is built; see above");
  }
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, component);
}

function fail(what, hint) {
  console.error(`error: ${what}`);
  if (hint !== undefined) console.error(`hint: ${hint}`);
  process.exit(1);
}
