// What is looked at: a window of the axis, a key, an operation, a moment; and its permalink.

// Servers have a time even where no client asked for anything.
const clocks = (eventTimes.length > 1 && eventTimes[eventTimes.length - 1] > eventTimes[0])
  || servers.some((server) => server.at.at(-1) > 0);

// Two axes: time, and the order of events for runs whose clocks say little.
const axisOf = (byOrder) => {
  const start = new Float64Array(count), end = new Float64Array(count);
  for (let op = 0; op < count; op++) {
    const from = ops.place[op], to = isOpen(op) ? Infinity : from + ops.until[op];
    start[op] = byOrder ? from : eventTimes[from];
    end[op] = to === Infinity ? Infinity : byOrder ? to : eventTimes[to];
  }
  const length = byOrder ? Math.max(1, eventTimes.length - 1) : Math.max(1, lastTime);
  return {
    byOrder, start, end, min: -length * 0.01, max: length * 1.03,
    ofTime: byOrder ? (ns) => (ns === Infinity ? Infinity : countBelow(eventTimes, ns) - (ns > 0 ? 0.5 : 0)) : (ns) => ns,
    toTime: byOrder ? (x) => eventTimes[Math.min(eventTimes.length - 1, Math.max(0, Math.round(x)))] ?? 0 : (x) => x,
    // No closer than what can be told apart.
    least: byOrder ? 3 : Math.max(20, length / 5e6),
  };
};
const axes = {};
const axisNamed = (name) => (axes[name] ??= axisOf(name === "order"));

const view = { axis: axisNamed(clocks ? "time" : "order"), from: 0, to: 1, key: "", selected: -1, moment: -1, merged: false, top: 0, lanes: [], laneOf: new Int32Array(count), shown: new Float64Array(count) };

// Lanes: one a process, or one for processes that follow each other.
const arrange = () => {
  const processes = new Map();
  const wanted = view.key === "" ? -1 : texts.indexOf(view.key);
  for (let op = 0; op < count; op++) {
    const process = ops.process[op];
    let lane = processes.get(process);
    if (!lane) processes.set(process, (lane = { names: [process], ops: [], special: [], first: ops.place[op], last: 0 }));
    // A process whose last operation never returned is never free.
    lane.last = ops.until[op] < 0 ? Infinity : Math.max(lane.last, ops.place[op] + ops.until[op]);
    if (wanted >= 0 && ops.key[op] !== wanted) continue;
    lane.ops.push(op);
  }
  let lanes = [...processes.values()];
  if (view.merged) {
    const merged = [];
    for (const lane of lanes) {
      const before = merged.filter((other) => other.last <= lane.first).sort((a, b) => b.last - a.last)[0];
      if (before) {
        before.names.push(...lane.names);
        for (const op of lane.ops) before.ops.push(op);
        before.last = lane.last;
      } else merged.push(lane);
    }
    lanes = merged;
  }
  lanes.sort((a, b) => a.names[0] - b.names[0]);
  if (wanted >= 0) lanes = lanes.filter((lane) => lane.ops.length > 0);
  const { start, end } = view.axis;
  lanes.forEach((lane, number) => {
    for (let i = 0; i < lane.ops.length; i++) {
      const op = lane.ops[i];
      view.laneOf[op] = number;
      const next = i + 1 < lane.ops.length ? start[lane.ops[i + 1]] : Infinity;
      view.shown[op] = Math.min(end[op], next);
      if (ops.outcome[op] !== OK) lane.special.push(op);
    }
    lane.ops = Int32Array.from(lane.ops);
    lane.special = Int32Array.from(lane.special);
  });
  view.lanes = lanes;
  labels.fill(undefined);
};
const isShown = (op) => view.key === "" || text(ops.key[op]) === view.key;

const listeners = [];
const changed = (what) => listeners.forEach((listener) => listener(what));

const look = (from, to) => {
  const { min, max, least } = view.axis;
  let width = Math.min(max - min, Math.max(least, to - from));
  if (!(width > 0)) width = max - min;
  const middle = (from + to) / 2;
  const left = Math.max(min, Math.min(max - width, middle - width / 2));
  view.from = left;
  view.to = left + width;
  changed("window");
};
const pan = (by) => look(view.from + by, view.to + by);
const zoom = (factor, at = (view.from + view.to) / 2) => look(at - (at - view.from) * factor, at + (view.to - at) * factor);
const fit = () => look(view.axis.min, view.axis.max);

// Brings operations into the window, with air around them.
const reveal = (numbers) => {
  const { start, end } = view.axis;
  let from = Infinity, to = -Infinity;
  for (const op of numbers) {
    from = Math.min(from, start[op]);
    to = Math.max(to, end[op] === Infinity ? start[op] : end[op]);
  }
  if (from > to) return;
  const air = Math.max((to - from) * 0.35, view.axis.least, view.axis.byOrder ? 4 : (view.axis.max - view.axis.min) / count * 3);
  look(from - air, to + air);
};
const select = (op, { bring = true } = {}) => {
  if (op >= 0 && !isShown(op)) setKey(view.key === "" ? "" : text(ops.key[op]));
  view.selected = op;
  if (op >= 0 && bring) {
    const { start, end } = view.axis;
    const to = end[op] === Infinity ? start[op] : end[op];
    const width = view.to - view.from;
    if (start[op] < view.from || to > view.to) {
      if (to - start[op] > width) reveal([op]);
      else look((start[op] + to) / 2 - width / 2, (start[op] + to) / 2 + width / 2);
    }
  }
  changed("selected");
};
const setMoment = (ns) => {
  view.moment = ns < 0 ? -1 : Math.min(lastTime, ns);
  changed("moment");
};
const setKey = (key) => {
  view.key = key;
  view.top = 0;
  arrange();
  changed("lanes");
};
const setMerged = (merged) => {
  view.merged = merged;
  view.top = 0;
  arrange();
  changed("lanes");
};
const setAxis = (name) => {
  const before = view.axis, next = axisNamed(name);
  if (before === next) return;
  const place = (x) => (next.byOrder ? next.ofTime(x) : before.toTime(x));
  const whole = view.from <= before.min && view.to >= before.max;
  const [from, to] = [place(view.from), place(view.to)];
  view.axis = next;
  arrange();
  if (whole) fit(); else look(from, to);
  changed("lanes");
};

const link = () => {
  const parts = [];
  if (view.selected >= 0) parts.push(`op=${view.selected}`);
  if (view.moment >= 0) parts.push(`t=${Math.round(view.moment)}`);
  if (view.key !== "") parts.push(`key=${encodeURIComponent(view.key)}`);
  if (sending) parts.push("messages=1");
  if (view.axis.byOrder && clocks) parts.push("axis=order");
  if (view.from > view.axis.min || view.to < view.axis.max) parts.push(`from=${view.from.toFixed(1)}`, `to=${view.to.toFixed(1)}`);
  return parts.length ? `#${parts.join("&")}` : "#";
};
const follow = (hash) => {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name) => (asked.has(name) && Number.isFinite(Number(asked.get(name))) ? Number(asked.get(name)) : undefined);
  if (asked.get("axis") === "order" || asked.get("axis") === "time") setAxis(asked.get("axis"));
  if (asked.has("key") && keyTexts.includes(asked.get("key"))) setKey(asked.get("key"));
  if (asked.has("messages") !== sending && messages.length) setSending(asked.has("messages"));
  const op = number("op"), t = number("t"), from = number("from"), to = number("to");
  if (from !== undefined && to !== undefined) look(from, to);
  if (op !== undefined && op >= 0 && op < count) {
    if (from === undefined && !(core.has(op) && inWindow(op))) reveal([op]);
    select(op, { bring: from === undefined });
  }
  if (t !== undefined && t >= 0) {
    setMoment(t);
    const x = view.axis.ofTime(t), width = view.to - view.from;
    if (from === undefined && op === undefined) {
      const narrow = Math.min(width, (view.axis.max - view.axis.min) / 12);
      look(x - narrow / 2, x + narrow / 2);
    }
  }
  return asked.size > 0;
};
const inWindow = (op) => view.axis.start[op] >= view.from && view.axis.start[op] <= view.to;

let linking = 0;
listeners.push(() => {
  clearTimeout(linking);
  linking = setTimeout(() => {
    try {
      history.replaceState(null, "", link());
    } catch { /* a page in a frame may have no address */ }
  }, 250);
});
