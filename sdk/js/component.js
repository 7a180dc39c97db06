// The component's exports, of what the project's own module exports: the module of a component begins here.
import * as project from "tidemill:project";
import { columns } from "./delivery.js";

const { handler } = project;
if (typeof handler?.process !== "function") throw new Error("the module exports no `handler`");

/** A handler that was made without `batch` and `each` knows records only. */
const asRecords = (batch) => {
  const { feed, partition, data, known } = columns(batch);
  const raw = (val, index) => ({
    data: { tag: "text", val },
    headers: [],
    id: known("id", index),
    kind: known("kind", index),
    key: known("key", index),
    occurredAt: known("occurredAt", index),
  });
  handler.process({ feed, partition, events: data.map(raw) });
};

export { handler };
export const bulkHandler = { process: handler.processBulk ?? asRecords };
