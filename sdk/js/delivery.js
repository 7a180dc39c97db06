// The events of a call, however they crossed: what can be seen of them is the same.

/** Those of a batch that crossed as a record for each event. */
export function records({ feed, partition, events }) {
  return {
    feed,
    partition,
    data: events.map((event) => event.data.val),
    known: (name, index) => events[index][name] ?? undefined,
  };
}

/** Those of a batch that crossed by columns. A column beside the payloads is split when it is asked for. */
export function columns({ feed, partition, data, ...known }) {
  const split = {};
  return {
    feed,
    partition,
    data: texts(data),
    known(name, index) {
      const column = known[name];
      if (column == null) return undefined;
      split[name] ??= name === "occurredAt" ? column : texts(column);
      return split[name][index];
    },
  };
}

/** The texts of a column. QuickJS splits at line feeds much quicker than it could slice between two places. */
function texts({ lines }) {
  const all = lines.split("\n");
  all.pop(); // what is behind the last line feed
  return all;
}
