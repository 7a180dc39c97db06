// The report on an exception that nobody caught: its message and the user's own stack, within what the host keeps.

/** The most bytes of a reason that the host keeps. */
const REASON_BYTES_MAX = 4096;
/** The most of it that messages may take, so that places in the source are seen too. */
const MESSAGE_BYTES_MAX = 2048;
/** How many causes are followed, which may go in a circle. */
const CAUSES_MAX = 4;

/** Message and stack of anything that was thrown, its causes after it. */
export function report(error) {
  const parts = [];
  for (let cause = error, depth = 0; cause !== undefined && depth < CAUSES_MAX; cause = read(cause, "cause"), depth += 1) {
    const heading = cut(describe(cause), depth === 0 ? MESSAGE_BYTES_MAX : MESSAGE_BYTES_MAX / 4);
    parts.push(depth === 0 ? heading : `caused by: ${heading}`, ...frames(cause));
  }
  return cut(parts.join("\n"), REASON_BYTES_MAX);
}

/** The message alone, as the host takes a reason: well-formed and no longer than it keeps. */
export function reasonOf(error) {
  const message = read(error, "message");
  return cut(typeof message === "string" ? message : describe(message), REASON_BYTES_MAX);
}

function describe(error) {
  try {
    return String(error);
  } catch {
    return "something was thrown that cannot be shown as text";
  }
}

/** A property of something that was thrown, which may be anything: a getter of it may throw in its turn. */
function read(error, name) {
  try {
    return error?.[name];
  } catch {
    return undefined;
  }
}

/** The lines of the stack that are the user's: innermost first, without this module's own and the engine's. */
function frames(error) {
  const stack = read(error, "stack");
  if (typeof stack !== "string") return [];
  const lines = stack.split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line.startsWith("at ") && !line.includes("/node_modules/tidemill/") && !line.endsWith("(native)"))
    .map((line) => `  ${line.replace("(/", "(").replace("at /", "at ")}`);
}

/** The beginning of a text, at most `max` bytes of UTF-8, with a mark where something is missing. */
function cut(text, max) {
  const whole = text.toWellFormed();
  // No UTF-16 unit takes more than three bytes.
  if (whole.length * 3 <= max) return whole;
  let bytes = 0;
  let kept = 0;
  let end = 0;
  for (const character of whole) {
    const code = character.codePointAt(0);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > max) return `${whole.slice(0, kept)}…`;
    end += character.length;
    if (bytes <= max - 3) kept = end;
  }
  return whole;
}
