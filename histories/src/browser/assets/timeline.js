// The timeline: one canvas with the ruler, faults, servers and a lane a process. A frame costs as much
// as there are pixels, not operations: what is narrower than a pixel is skipped by binary search.

const canvas = document.getElementById("canvas");
const GUTTER = 92, RULER = 24, FAULT = 16, SERVER = 30, LANE = 24, BAR = 16, PAD = 6;
const frame = { width: 0, height: 0, faults: 0, servers: 0, lanes: 0, content: 0 };
const rects = { change: new Rects(), read: new Rects(), dense: new Rects(), fail: new Rects(), tick: new Rects(), info: new Rects(), open: new Rects() };

const toX = (at) => GUTTER + (at - view.from) / (view.to - view.from) * (frame.width - GUTTER);
const toAxis = (x) => view.from + (x - GUTTER) / (frame.width - GUTTER) * (view.to - view.from);
const laneY = (number) => frame.lanes + number * LANE - view.top;

const layOut = () => {
  frame.width = canvas.parentElement.clientWidth;
  frame.faults = RULER;
  frame.servers = frame.faults + faultRows * FAULT + (faultRows ? PAD : 0);
  frame.lanes = frame.servers + servers.length * SERVER + (servers.length ? PAD : 0) + 2;
  frame.content = frame.lanes + view.lanes.length * LANE + PAD;
  const most = Math.max(frame.lanes + 6 * LANE, Math.round(window.innerHeight * 0.66));
  frame.height = Math.min(frame.content, most);
  canvas.style.height = `${frame.height}px`;
  view.top = Math.max(0, Math.min(view.top, frame.content - frame.height));
  const scroll = document.getElementById("scroll");
  scroll.hidden = frame.content <= frame.height;
  scroll.firstElementChild.style.height = `${frame.content}px`;
};

let scheduled = false;
const schedule = () => {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    paint();
    paintMinimap();
  });
};

const paint = () => {
  const pen = sized(canvas, frame.width, frame.height);
  pen.font = `11px ${colours.mono}`;
  charWidth = pen.measureText("0").width;
  pen.textBaseline = "middle";
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, frame.width, frame.height);
  paintBands(pen);
  pen.save();
  pen.beginPath();
  pen.rect(0, frame.lanes - 2, frame.width, frame.height);
  pen.clip();
  paintLanes(pen);
  paintCore(pen);
  // Lines first, then words: none runs through another.
  paintPathLines(pen);
  nameLanes(pen);
  paintPathSteps(pen);
  nameCore(pen);
  paintSelected(pen);
  paintGutter(pen);
  pen.restore();
  paintServers(pen);
  paintMessages(pen);
  paintFaults(pen);
  paintRuler(pen);
  paintMoment(pen);
};

const visible = (fault) => {
  const from = view.axis.ofTime(fault.from), to = view.axis.ofTime(Math.min(fault.to, lastTime));
  return to < view.from || from > view.to ? null : [Math.max(GUTTER, toX(from)), Math.min(frame.width, toX(to))];
};

const paintBands = (pen) => {
  for (const fault of shades) {
    const span = visible(fault);
    if (!span) continue;
    pen.globalAlpha = 0.075;
    pen.fillStyle = colours[fault.kind];
    pen.fillRect(span[0], frame.servers - PAD, Math.max(1, span[1] - span[0]), frame.height);
  }
  pen.globalAlpha = 1;
};

const paintFaults = (pen) => {
  for (const fault of faults) {
    const span = visible(fault);
    if (!span) continue;
    const y = frame.faults + fault.row * FAULT + 2, width = Math.max(2, span[1] - span[0]);
    pen.fillStyle = colours.paper;
    pen.fillRect(span[0], y, width, FAULT - 3);
    pen.globalAlpha = fault.kind === "crash" ? 0.3 : 0.5;
    pen.fillStyle = pattern(fault.kind, colours[fault.kind]);
    pen.fillRect(span[0], y, width, FAULT - 3);
    pen.globalAlpha = 1;
    pen.fillStyle = colours[fault.kind];
    pen.fillRect(span[0], y, 2, FAULT - 3);
    if (fault.to < Infinity) pen.fillRect(span[0] + width - 1, y, 1, FAULT - 3);
    const words = cut(fault.words, width - 10);
    if (words.length > 2) {
      pen.fillStyle = colours.paper;
      pen.globalAlpha = 0.85;
      pen.fillRect(span[0] + 4, y + 0.5, words.length * charWidth + 4, FAULT - 4);
      pen.globalAlpha = 1;
      pen.fillStyle = colours.ink;
      pen.fillText(words, span[0] + 6, y + (FAULT - 3) / 2 + 0.5);
    }
  }
  if (faultRows) gutterText(pen, "faults", frame.faults + faultRows * FAULT / 2);
};

const gutterText = (pen, words, y, ink = colours.soft) => {
  pen.fillStyle = colours.paper;
  pen.fillRect(0, y - 10, GUTTER - 2, 20);
  pen.font = `11px ${colours.sans}`;
  pen.fillStyle = ink;
  pen.textAlign = "right";
  pen.fillText(words, GUTTER - 10, y, GUTTER - 16);
  pen.textAlign = "left";
  pen.font = `11px ${colours.mono}`;
};

const lanesInSight = () => [
  Math.max(0, Math.floor(view.top / LANE)),
  Math.min(view.lanes.length, Math.ceil((view.top + frame.height - frame.lanes) / LANE) + 1),
];

const paintLanes = (pen) => {
  for (const name in rects) rects[name].length = 0;
  const [first, last] = lanesInSight();
  pen.fillStyle = colours.faint;
  for (let number = first; number < last; number++) pen.fillRect(GUTTER, laneY(number) + LANE - 1, frame.width - GUTTER, 1);
  for (let number = first; number < last; number++) {
    gather(view.lanes[number], laneY(number) + (LANE - BAR) / 2);
    gatherSpecial(view.lanes[number], laneY(number) + (LANE - BAR) / 2);
  }
  pen.globalAlpha = 0.55;
  rects.dense.fill(pen, colours.ok);
  pen.globalAlpha = 1;
  rects.change.fill(pen, colours.ok);
  rects.read.fill(pen, colours["ok-soft"]);
  rects.read.stroke(pen, colours.ok);
  pen.setLineDash([3, 2]);
  rects.fail.stroke(pen, colours.fail);
  pen.setLineDash([]);
  const { all, length } = rects.fail;
  pen.fillStyle = colours.fail;
  for (let i = 0; i < length; i += 4) pen.fillRect(all[i], all[i + 1] + BAR / 2 - 0.5, all[i + 2], 1);
  rects.tick.fill(pen, colours.fail);
  rects.open.fill(pen, colours.info);
  rects.info.fill(pen, colours.paper);
  rects.info.fill(pen, pattern("other", colours["info"]));
  rects.info.stroke(pen, colours.info);
};

const nameLanes = (pen) => {
  const [first, last] = lanesInSight();
  for (let number = first; number < last; number++) paintLabels(pen, view.lanes[number], laneY(number) + LANE / 2);
};

const gather = (lane, y) => {
  const { start } = view.axis, { shown } = view, list = lane.ops;
  let i = firstBeyond(list, shown, view.from);
  let denseFrom = -1, denseTo = -1;
  while (i < list.length) {
    const op = list[i];
    if (start[op] > view.to) break;
    const x0 = Math.max(GUTTER, toX(start[op])), x1 = Math.min(frame.width, toX(shown[op]));
    if (ops.outcome[op] !== OK) { i++; continue; }
    if (x1 - x0 >= 2) {
      (isRead(op) ? rects.read : rects.change).push(x0, y, x1 - x0 > 4 ? x1 - x0 - 1 : x1 - x0, BAR);
      i++;
      continue;
    }
    const right = Math.max(x1, x0 + 1);
    if (denseFrom >= 0 && x0 - denseTo < 1) denseTo = right;
    else {
      if (denseFrom >= 0) rects.dense.push(denseFrom, y + 3, denseTo - denseFrom, BAR - 6);
      denseFrom = x0;
      denseTo = right;
    }
    const next = firstBeyond(list, start, toAxis(right), i + 1);
    const before = list[next - 1];
    i = next - 1 > i && toX(shown[before]) - toX(start[before]) >= 2 ? next - 1 : next;
  }
  if (denseFrom >= 0) rects.dense.push(denseFrom, y + 3, denseTo - denseFrom, BAR - 6);
};

// What failed or is unknown is never hidden by what went well.
const gatherSpecial = (lane, y) => {
  const { start } = view.axis, { shown } = view, list = lane.special;
  let i = firstBeyond(list, shown, view.from), opened = false;
  if (i > 0 || list.length) {
    const info = list.find(isOpen);
    if (info !== undefined && start[info] < view.to) {
      const x = Math.max(GUTTER, toX(start[info]));
      rects.open.push(x, y + BAR - 2, frame.width - x, 2);
      opened = true;
    }
  }
  while (i < list.length) {
    const op = list[i];
    if (start[op] > view.to) break;
    const x0 = Math.max(GUTTER, toX(start[op])), x1 = Math.min(frame.width + 4, toX(shown[op]));
    const width = Math.max(2, x1 - x0 > 4 ? x1 - x0 - 1 : x1 - x0);
    if (width > 3) (isOpen(op) ? rects.info : rects.fail).push(x0, y, width, BAR);
    else (isOpen(op) ? rects.open : rects.tick).push(x0, y + (isOpen(op) ? 0 : 3), 2, isOpen(op) ? BAR : BAR - 6);
    i = width > 2 ? i + 1 : Math.max(i + 1, firstBeyond(list, start, toAxis(x0 + 2), i + 1));
  }
  return opened;
};

const paintLabels = (pen, lane, y) => {
  const { start } = view.axis, { shown } = view, list = lane.ops;
  const least = 3 * charWidth + 8, leastAxis = least / (frame.width - GUTTER) * (view.to - view.from);
  let i = firstBeyond(list, shown, view.from);
  const end = firstBeyond(list, start, view.to);
  // Where bars are too many to carry text there is none to look for.
  if (end - i > (frame.width - GUTTER) / 3) return;
  for (; i < end; i++) {
    const op = list[i];
    if (shown[op] - start[op] < leastAxis || core.has(op)) continue;
    const x0 = Math.max(GUTTER, toX(start[op])), x1 = Math.min(frame.width, toX(shown[op]));
    const words = cut(label(op), x1 - x0 - 8);
    if (!words) continue;
    if (path || ops.outcome[op] !== OK) {
      pen.fillStyle = ops.outcome[op] !== OK ? colours.paper : isRead(op) ? colours["ok-soft"] : colours.ok;
      pen.fillRect(x0 + 3, y - 6, words.length * charWidth + 2, 12);
    }
    pen.fillStyle = ops.outcome[op] === OK && !isRead(op) ? colours.paper : colours.ink;
    pen.fillText(words, x0 + 4, y + 0.5);
  }
};

const barOf = (op) => {
  const { start } = view.axis;
  const x0 = Math.max(GUTTER - 4, toX(start[op])), x1 = Math.min(frame.width + 4, toX(view.shown[op]));
  return [x0, laneY(view.laneOf[op]) + (LANE - BAR) / 2, Math.max(3, x1 - x0), BAR];
};

const paintSelected = (pen) => {
  const op = view.selected;
  if (op < 0 || !isShown(op)) return;
  const [x, y, w, h] = barOf(op);
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 2;
  pen.strokeRect(x - 2, y - 2, w + 4, h + 4);
  pen.globalAlpha = 0.35;
  pen.fillStyle = colours.ink;
  pen.fillRect(x, frame.lanes - 2, 1, frame.height);
  if (!isOpen(op)) pen.fillRect(x + w, frame.lanes - 2, 1, frame.height);
  pen.globalAlpha = 1;
};

const paintGutter = (pen) => {
  pen.fillStyle = colours.paper;
  pen.fillRect(0, frame.lanes - 2, GUTTER - 1, frame.height);
  const first = Math.max(0, Math.floor(view.top / LANE));
  const last = Math.min(view.lanes.length, first + Math.ceil(frame.height / LANE) + 1);
  for (let number = first; number < last; number++) {
    const { names } = view.lanes[number];
    const words = names.length === 1 ? `process ${names[0]}` : names.length < 4 ? `p ${names.join(", ")}` : `p ${names[0]}, ${names[1]} … ${names.at(-1)}`;
    gutterText(pen, words, laneY(number) + LANE / 2, view.selected >= 0 && view.laneOf[view.selected] === number ? colours.ink : colours.soft);
  }
  pen.fillStyle = colours.line;
  pen.fillRect(GUTTER - 1, frame.lanes - 2, 1, frame.height);
};

const STEPS = [1, 2, 5];
const paintRuler = (pen) => {
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, frame.width, RULER);
  pen.fillStyle = colours.line;
  pen.fillRect(0, RULER - 1, frame.width, 1);
  const ideal = (view.to - view.from) / Math.max(2, (frame.width - GUTTER) / 110);
  const power = 10 ** Math.floor(Math.log10(ideal));
  const nice = power * (STEPS.find((s) => s * power >= ideal) ?? 10);
  const step = view.axis.byOrder ? Math.max(1, nice) : nice;
  pen.font = `11px ${colours.sans}`;
  for (let at = Math.ceil(Math.max(0, view.from) / step) * step; at <= view.to; at += step) {
    const x = toX(at);
    if (x < GUTTER || x > frame.width - 34) continue;
    pen.fillStyle = colours.line;
    pen.fillRect(x, RULER - 7, 1, 6);
    pen.fillStyle = colours.soft;
    pen.fillText(tick(at, step), x + 4, RULER / 2);
  }
  gutterText(pen, view.axis.byOrder ? "event" : "time", RULER / 2);
};
const tick = (at, step) => {
  if (view.axis.byOrder) return String(Math.round(at));
  const [unit, name] = view.to < 2e3 ? [1, "ns"] : view.to < 2e6 ? [1e3, "µs"] : view.to < 2e9 ? [1e6, "ms"] : [1e9, "s"];
  return `${(at / unit).toFixed(Math.max(0, Math.min(9, -Math.floor(Math.log10(step / unit) + 1e-9))))} ${name}`;
};

const paintMoment = (pen) => {
  const marks = [[view.moment, colours.link, true], [verdict?.at ?? -1, colours.bad, false]];
  for (const [ns, ink, handle] of marks) {
    if (ns < 0) continue;
    const x = toX(view.axis.ofTime(ns));
    if (x < GUTTER || x > frame.width) continue;
    pen.fillStyle = ink;
    pen.fillRect(x - 0.5, handle ? 0 : RULER, 1.5, frame.height);
    if (handle) {
      pen.beginPath();
      pen.moveTo(x - 6, 0);
      pen.lineTo(x + 6, 0);
      pen.lineTo(x, 9);
      pen.fill();
    } else {
      pill(pen, "broken here", x + 4, frame.height - 12, ink);
    }
  }
};

// What is under the pointer.
const opAt = (x, y) => {
  if (x < GUTTER || y < frame.lanes - 2) return -1;
  const lane = view.lanes[Math.floor((y - frame.lanes + view.top) / LANE)];
  if (!lane) return -1;
  const at = toAxis(x), slack = (view.to - view.from) / (frame.width - GUTTER) * 3;
  const { start } = view.axis;
  const i = firstBeyond(lane.ops, start, at + slack) - 1;
  for (let k = i; k >= Math.max(0, i - 3); k--) {
    const op = lane.ops[k];
    if (core.has(op) && view.shown[op] + slack >= at) return op;
  }
  const op = i >= 0 ? lane.ops[i] : -1;
  return op >= 0 && view.shown[op] + slack >= at ? op : -1;
};
const faultAt = (x, y) => {
  if (y < frame.faults || y >= frame.faults + faultRows * FAULT) return null;
  const row = Math.floor((y - frame.faults) / FAULT);
  return faults.findLast((fault) => {
    const span = fault.row === row && visible(fault);
    return span && x >= span[0] - 2 && x <= Math.max(span[1], span[0] + 2) + 2;
  }) ?? null;
};
