// The operations that no order explains, lifted out of the run: only their own events, evenly spaced,
// with the order that gets furthest drawn through them.

const SVG = "http://www.w3.org/2000/svg";
const shape = (name, attributes, ...inside) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
};

// A cycle: each transaction comes before the next; the numbers are those of the reasons beside it.
const drawCycle = (room) => {
  const edges = verdict.cycle, nodes = [...new Set(edges.flat())];
  const order = [edges[0][0]];
  for (let next = edges.find(([from]) => from === order.at(-1)); next && !order.includes(next[1]); next = edges.find(([from]) => from === order.at(-1))) order.push(next[1]);
  for (const op of nodes) if (!order.includes(op)) order.push(op);
  const width = room.clientWidth || 600, box = Math.min(300, width * 0.4), tall = 42;
  const height = order.length === 2 ? 130 : Math.min(420, 130 + order.length * 46);
  const places = order.map((_, i) => {
    const angle = Math.PI * (2 * i / order.length - (order.length === 2 ? 1 : 0.5));
    return [width / 2 + Math.cos(angle) * (width - box - 24) / 2, height / 2 + Math.sin(angle) * (height - tall - 16) / 2];
  });
  const at = (op) => places[order.indexOf(op)];
  const picture = shape("svg", { width, height, role: "img", "aria-label": `a cycle of ${order.length} transactions; the reasons are listed beside it` });
  picture.append(shape("defs", {}, shape("marker", { id: "tip-of-arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto-start-reverse" }, shape("path", { d: "M0 0L8 4L0 8z", fill: "var(--bad)" }))));
  const numbers = [];
  edges.forEach(([from, to], i) => {
    const [x0, y0] = at(from), [x1, y1] = at(to), length = Math.hypot(x1 - x0, y1 - y0) || 1;
    const bend = order.length === 2 ? 44 : 14, nx = (y1 - y0) / length * bend, ny = -(x1 - x0) / length * bend;
    const [mx, my] = [(x0 + x1) / 2 + nx, (y0 + y1) / 2 + ny];
    // Lines begin and end where boxes do.
    const edgeOf = (x, y) => {
      const scale = 1 / Math.max(Math.abs(mx - x) / (box / 2 + 3), Math.abs(my - y) / (tall / 2 + 3), 1e-6);
      return [x + (mx - x) * Math.min(1, scale), y + (my - y) * Math.min(1, scale)];
    };
    const [ax, ay] = edgeOf(x0, y0), [bx, by] = edgeOf(x1, y1);
    picture.append(shape("path", { d: `M${ax} ${ay}Q${mx} ${my} ${bx} ${by}`, fill: "none", stroke: "var(--bad)", "stroke-width": 1.6, "marker-end": "url(#tip-of-arrow)" }));
    const [cx, cy] = [(ax + 2 * mx + bx) / 4, (ay + 2 * my + by) / 4];
    numbers.push(shape("circle", { cx, cy, r: 9, fill: "var(--panel)", stroke: "var(--bad)" }), shape("text", { x: cx, y: cy + 4, "text-anchor": "middle", fill: "var(--bad)", "font-size": 11 }, String(i + 1)));
  });
  order.forEach((op, i) => {
    const [x, y] = places[i], name = [...verdict.core].indexOf(op) + 1;
    const words = action(op, true), fits = Math.floor((box - 20) / 7.3);
    const group = shape("a", { href: `#op=${op}` });
    group.append(
      shape("title", {}, `${words}, process ${ops.process[op]}`),
      shape("rect", { x: x - box / 2, y: y - tall / 2, width: box, height: tall, rx: 5, fill: "var(--paper)", stroke: "var(--ink)" }),
      shape("text", { x: x - box / 2 + 10, y: y - 4, fill: "var(--ink)", "font-weight": 700 }, `${name ? `T${name}` : `#${op}`} `),
      shape("text", { x: x - box / 2 + 40, y: y - 4, fill: "var(--soft)", "font-family": "var(--sans)", "font-size": 11 }, `process ${ops.process[op]}`),
      shape("text", { x: x - box / 2 + 10, y: y + 13, fill: "var(--ink)" }, words.length > fits ? `${words.slice(0, fits - 1)}…` : words),
    );
    picture.append(group);
  });
  picture.append(...numbers);
  room.replaceChildren(picture);
};

const drawCore = () => {
  const room = document.getElementById("core-picture");
  if (!room || core.size === 0 || core.size > 60) return;
  if (verdict.cycle.length > 1 && verdict.cycle.length <= 12) return drawCycle(room);
  const members = [...core].sort((a, b) => a - b);
  const placed = (attempts[0]?.steps ?? []).map(([op]) => op);
  for (const op of placed) if (!members.includes(op) && members.length < 60) members.push(op);
  const width = room.clientWidth || 600, gutter = 92, row = 54, bar = 14;
  const processes = [...new Set(members.map((op) => ops.process[op]))].sort((a, b) => a - b);
  // Each event has a column; a column is as far right as the text that ends there wants.
  const events = [];
  for (const op of members) {
    events.push([ops.place[op], op, true]);
    if (!isOpen(op)) events.push([ops.place[op] + ops.until[op], op, false]);
  }
  events.sort((a, b) => a[0] - b[0]);
  const from = new Map(), to = new Map();
  const wide = (op) => Math.min(230, label(op).length * 7.3 + 14);
  let x = 0;
  for (const [, op, starts] of events) {
    x += 22;
    if (starts) {
      // A text must not run into the next bar of its process.
      for (const other of members) {
        if (other !== op && ops.process[other] === ops.process[op] && from.has(other)) x = Math.max(x, from.get(other) + wide(other));
      }
      from.set(op, x);
    } else {
      x = Math.max(x, from.get(op) + 34);
      to.set(op, x);
    }
  }
  const total = members.reduce((most, op) => Math.max(most, from.get(op) + wide(op)), x) + 14;
  const stretch = Math.max(1, Math.min(2.2, (width - gutter - 8) / total));
  const place = (at) => gutter + at * stretch;
  const endOf = (op) => (to.has(op) ? place(to.get(op)) : place(total) - 2);
  const y = (op) => 22 + processes.indexOf(ops.process[op]) * row;
  const height = processes.length * row + 8;
  // Texts come last, with a rim, so that no line runs through them.
  const writings = [];
  const write = (x, y, words, attributes) => writings.push(shape("text", { x, y, "paint-order": "stroke", stroke: "var(--panel)", "stroke-width": 4, "stroke-linejoin": "round", ...attributes }, words));
  const picture = shape("svg", { width: Math.max(width, place(total)), height, role: "img", "aria-label": `${members.length} operations of ${processes.length} processes; the list below holds the same` });
  processes.forEach((process, number) => {
    const middle = 22 + number * row + bar / 2;
    picture.append(
      shape("text", { x: 0, y: middle + 4, fill: "var(--soft)", "font-family": "var(--sans)", "font-size": 12 }, `process ${process}`),
      shape("line", { x1: gutter - 6, x2: Math.max(width, place(total)), y1: middle, y2: middle, stroke: "var(--line)" }),
    );
  });
  for (const op of members) {
    const ink = op === stuck ? "var(--bad)" : core.has(op) ? "var(--ok)" : "var(--fail)";
    const x0 = place(from.get(op)), x1 = endOf(op);
    const group = shape("a", { href: `#op=${op}` });
    group.append(
      shape("title", {}, `${action(op, true)}, process ${ops.process[op]}, ${moment(ops.at[op])} to ${ended(op)}`),
      shape("rect", { x: x0, y: y(op), width: Math.max(4, x1 - x0), height: bar, rx: 2, fill: isOpen(op) ? "none" : ink, stroke: ink, "stroke-dasharray": isOpen(op) ? "4 3" : "none" }),
    );
    write(x0, y(op) - 6, label(op).length > 32 ? `${label(op).slice(0, 31)}…` : label(op), { fill: op === stuck ? "var(--bad)" : "var(--ink)", "font-weight": op === stuck ? 700 : 400 });
    picture.append(group);
  }
  if (attempts.length) {
    const start = new Map(members.map((op) => [op, place(from.get(op))]));
    const steps = attempts[0].steps.filter(([op]) => start.has(op));
    const at = momentsOf(steps.map((_, i) => i), steps.map(([op]) => start.get(op) + 6), steps.map(([op]) => (isOpen(op) || isRelaxed(op) ? Infinity : endOf(op) - 6)));
    for (let i = 1; i < at.length; i++) at[i] = Math.max(at[i], at[i - 1] + 3);
    const middle = (op) => y(op) + bar / 2;
    const [lastX, lastY] = steps.length ? [at[steps.length - 1], middle(steps.at(-1)[0])] : [gutter, 10];
    const crossX = (start.get(stuck) + endOf(stuck)) / 2, crossY = middle(stuck);
    steps.forEach(([op], i) => {
      if (isRelaxed(op) && at[i] > endOf(op)) picture.append(shape("line", { x1: endOf(op), x2: at[i], y1: middle(op), y2: middle(op), stroke: "var(--path)", "stroke-dasharray": "2 3" }));
    });
    picture.append(
      shape("polyline", { points: steps.map(([op], i) => `${at[i]},${middle(op)}`).join(" "), fill: "none", stroke: "var(--path)", "stroke-width": 1.6 }),
    );
    if (steps.length) picture.append(shape("line", { x1: lastX, y1: lastY, x2: crossX, y2: crossY, stroke: "var(--bad)", "stroke-width": 1.6, "stroke-dasharray": "4 3" }));
    steps.forEach(([op, state], i) => {
      picture.append(shape("circle", { cx: at[i], cy: middle(op), r: 4.5, fill: "var(--path)", stroke: "var(--panel)", "stroke-width": 1.5 }));
      // Where the line goes down to the right, the state stands to the left of it.
      const falls = i + 1 < steps.length && middle(steps[i + 1][0]) > middle(op);
      if (state != null) write(at[i] + (falls ? -4 : 2), y(op) + bar + 15, `state ${state.length > 18 ? `${state.slice(0, 17)}…` : state}`, { fill: "var(--soft)", "font-size": 11, "text-anchor": falls ? "end" : "start" });
    });
    picture.append(
      shape("circle", { cx: crossX, cy: crossY, r: 8, fill: "var(--bad)", stroke: "var(--panel)", "stroke-width": 1.5 }),
      shape("path", { d: `M${crossX - 3.2} ${crossY - 3.2}l6.4 6.4m0 -6.4l-6.4 6.4`, stroke: "var(--paper)", "stroke-width": 1.8 }),
    );
  }
  picture.append(...writings);
  room.replaceChildren(picture);
};
