// TypeScript in plain Node: `node --import tidemill/typescript --test processor.test.ts`.
import { register } from "node:module";

register("./blank.js", import.meta.url);
