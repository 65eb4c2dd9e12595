// The data of the page as typed arrays, and the questions that everything else asks of it.

const source = JSON.parse(document.getElementById("data").textContent);
const texts = source.rest.texts;
const verdict = source.rest.verdict;
const count = source.ops.process.length;
const OK = 0, FAIL = 1, INFO = 2, NEVER = 3;
const OUTCOMES = ["ok", "fail", "info", "never returned"];

const summed = (differences) => {
  const all = new Float64Array(differences.length);
  let sum = 0;
  for (let i = 0; i < all.length; i++) all[i] = sum += differences[i];
  return all;
};

const ops = {
  process: Float64Array.from(source.ops.process),
  f: Int32Array.from(source.ops.f),
  key: Int32Array.from(source.ops.key),
  arg: Int32Array.from(source.ops.arg),
  result: Int32Array.from(source.ops.result),
  outcome: Uint8Array.from(source.ops.outcome),
  node: Int32Array.from(source.ops.node),
  error: Int32Array.from(source.ops.error),
  at: summed(source.ops.at),
  took: Float64Array.from(source.ops.took),
  place: summed(source.ops.place),
  until: Int32Array.from(source.ops.until),
  index: summed(source.ops.index),
};

// A clock that went back must not put a later event before an earlier one.
const eventTimes = summed(source.rest.events);
for (let i = 1; i < eventTimes.length; i++) eventTimes[i] = Math.max(eventTimes[i], eventTimes[i - 1]);
source.ops = source.rest.events = null;

const text = (place) => (place < 0 ? "" : texts[place]);
const keyTexts = [...new Set(ops.key)].filter((key) => key >= 0).map(text)
  .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
const isRead = (op) => ops.arg[op] < 0;
const isOpen = (op) => ops.outcome[op] >= INFO;

// What was asked and what came back: `write 5`, `read → 4`.
const labels = new Array(count);
const action = (op, withKey) => {
  const told = text(ops.result[op]);
  // A transaction's result says its steps again, with what they returned.
  if (told.startsWith("{") && text(ops.arg[op]).startsWith("{")) return `${text(ops.f[op])} ${told}`;
  let words = text(ops.f[op]);
  if (withKey && ops.key[op] >= 0) words += ` ${text(ops.key[op])}`;
  if (ops.arg[op] >= 0) words += ` ${text(ops.arg[op])}`;
  if (ops.outcome[op] === OK && (ops.result[op] !== ops.arg[op] || isRead(op))) {
    words += ` → ${ops.result[op] < 0 ? "null" : told}`;
  }
  return words;
};
const label = (op) => (labels[op] ??= action(op, keyTexts.length > 1 && !view.key));

// The first place in a sorted list whose measure is beyond a limit.
const firstBeyond = (list, measure, limit, low = 0) => {
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (measure[list[middle]] > limit) high = middle; else low = middle + 1;
  }
  return low;
};
const countBelow = (sorted, limit) => {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < limit) low = middle + 1; else high = middle;
  }
  return low;
};

// Faults: from their beginning to their end, as the two events name them.
const KINDS = [
  ["partition", /partition|isolat|cut|one-?way|split|bridge|majorit|halves/i],
  ["crash", /crash|kill|power|restart|reboot/i],
  ["noise", /noise|loss|lost|delay|slow|flak|packet|duplic|reorder/i],
];
const kindOf = (words) => (KINDS.find(([, pattern]) => pattern.test(words)) ?? ["other"])[0];
const BEGINS = /^(begins?|start|pause|kill|cut|isolate|partition)/i, ENDS = /^(ends?|stop|resume|heal|restart|recover)/i;
const faults = [];
for (const [at, f, what] of source.rest.faults) {
  const name = text(f), words = text(what) || name;
  const tail = name.replace(/^[a-z]+/i, "");
  const same = (fault) => fault.to === Infinity && fault.words === words && fault.tail === tail;
  const open = ENDS.test(name)
    ? faults.findLast(same) ?? faults.findLast((fault) => fault.to === Infinity && fault.tail === tail && name !== "ends")
    : undefined;
  // What takes no time is written down with its end first.
  const instant = faults.findLast((fault) => fault.from === at && fault.to === at && fault.words === `ends ${words}`);
  if (open) open.to = at;
  else if (name === "begins" && instant) instant.words = words;
  else if (BEGINS.test(name) && !ENDS.test(name)) faults.push({ from: at, to: Infinity, words, tail, kind: kindOf(`${name} ${words}`) });
  else faults.push({ from: at, to: at, words: words === name ? name : `${name} ${words}`, tail, kind: kindOf(`${name} ${words}`) });
}
// Where faults of one kind overlap their shade must not add up.
const shadesOf = (list) => {
  const shades = [];
  for (const kind of new Set(list.map((fault) => fault.kind))) {
    let last = null;
    for (const fault of list.filter((other) => other.kind === kind).sort((a, b) => a.from - b.from)) {
      if (last && fault.from <= last.to) last.to = Math.max(last.to, fault.to);
      else shades.push((last = { kind, from: fault.from, to: fault.to }));
    }
  }
  return shades;
};
const shades = shadesOf(faults);
const lastTime = Math.max(0, eventTimes.length ? eventTimes[eventTimes.length - 1] : 0, ...faults.map((f) => f.from),
  source.rest.lanes?.changes.at(-1)?.[0] ?? 0);
const faultRows = (() => {
  const ends = [];
  for (const fault of faults) {
    let row = ends.findIndex((end) => end <= fault.from);
    if (row < 0 && ends.length < 5) row = ends.push(0) - 1;
    if (row < 0) row = ends.length - 1;
    fault.row = row;
    ends[row] = Math.max(ends[row], fault.to);
  }
  return ends.length;
})();

// Servers: each with its own changes in the order of time.
const ROLES = ["down", "follower", "candidate", "leader"];
const servers = (source.rest.lanes?.servers ?? []).map((name) => ({ name, at: [], changes: [], marks: [] }));
for (const [at, server, role, term, vote, commit, applied, last, log] of source.rest.lanes?.changes ?? []) {
  servers[server].at.push(at);
  servers[server].changes.push({ at, role, term, vote, commit, applied, last, log: source.rest.lanes.logs[log] });
}
for (const [at, server, kind, what] of source.rest.lanes?.marks ?? []) servers[server].marks.push({ at, kind, what });
const serverAt = (server, ns) => server.changes[countBelow(server.at, ns + 0.5) - 1];

// What is placed though it is none of the core may take effect at any later moment, as far as the
// contradiction goes.
const isRelaxed = (op) => core.size > 0 && !core.has(op);

// Operations placed in an order, each at a moment within its bar, one after the other.
const momentsOf = (order, start, end) => {
  const latest = new Float64Array(order.length), at = new Float64Array(order.length);
  let cap = Infinity;
  for (let i = order.length - 1; i >= 0; i--) latest[i] = cap = Math.min(cap, end[order[i]]);
  let earliest = -Infinity;
  for (let i = 0; i < order.length; i++) {
    earliest = Math.max(earliest, start[order[i]]);
    const ends = Number.isFinite(latest[i]) ? latest[i] : earliest;
    at[i] = Math.max(earliest, (earliest + ends) / 2, i ? at[i - 1] : -Infinity);
  }
  return at;
};

const core = new Set(verdict?.core ?? []);
const attempts = verdict?.attempts ?? [];
const stuck = attempts[0]?.stuck ?? -1;
if (stuck >= 0) core.add(stuck);

const duration = (ns) => {
  const round = (number) => (number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2));
  if (ns < 1e3) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${round(ns / 1e3)} µs`;
  if (ns < 1e9) return `${round(ns / 1e6)} ms`;
  return `${(ns / 1e9).toFixed(3)} s`;
};
const moment = (ns) => (lastTime < 1e6 ? duration(ns) : lastTime < 1e9 ? `${(ns / 1e6).toFixed(3)} ms` : `${(ns / 1e9).toFixed(4)} s`);
const ended = (op) => (isOpen(op) ? "never known" : moment(ops.at[op] + ops.took[op]));
