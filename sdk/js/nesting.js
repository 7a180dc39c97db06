// How deep JSON goes: the engine's parser calls itself for each level, and a stack that ends there cannot be caught.

/** The deepest that is read. QuickJS on Tidemill's stack manages a little more than 2,000. */
const LEVELS_MAX = 1000;

/** Throws where the text opens more brackets within each other than can be parsed. */
export function checkNesting(json) {
  if (json.length <= LEVELS_MAX || opened(json) <= LEVELS_MAX) return;
  let level = 0;
  for (const [token] of json.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[{\]}]/gs)) {
    if (token === "[" || token === "{") level += 1;
    else if (token === "]" || token === "}") level -= 1;
    if (level > LEVELS_MAX) throw new SyntaxError(`it nests deeper than ${LEVELS_MAX} levels`);
  }
}

/** About how many brackets are opened, wherever they stand: quick, and enough for nearly every payload. */
function opened(json) {
  return json.split("[", LEVELS_MAX + 2).length + json.split("{", LEVELS_MAX + 2).length - 2;
}
