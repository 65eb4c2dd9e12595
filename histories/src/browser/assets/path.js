// On the timeline: the operations that no order explains, and the order that gets furthest through them,
// with the state after each step.

let path = null;

// The path that is drawn: the order that gets furthest, or the one that proves the history valid.
const choosePath = () => {
  path = null;
  const { start, end } = view.axis;
  if (attempts.length) {
    const { steps, stuck: last, from, state } = attempts[0];
    const order = steps.map(([op]) => op).filter(isShown);
    const ends = (op) => (isRelaxed(op) ? Infinity : end[op]);
    if (isShown(last)) path = { order, at: momentsOf(order.map((_, i) => i), order.map((op) => start[op]), order.map(ends)), states: steps.map(([, s]) => s), from, state, stuck: last };
  } else if (verdict?.witness?.length) {
    const order = verdict.witness.find((candidate) => candidate.length && isShown(candidate[0]));
    if (order && (view.key !== "" || verdict.witness.length === 1)) path = { order, at: momentsOf(order, start, end), states: null, stuck: -1 };
  }
  document.body.classList.toggle("has-path", path !== null);
};

// Those that no order explains are ringed; the one that cannot be placed is filled.
const paintCore = (pen) => {
  for (const op of core) {
    if (!isShown(op) || view.axis.start[op] > view.to || view.shown[op] < view.from) continue;
    const [x, y, w, h] = barOf(op);
    const filled = op === stuck, ink = filled ? colours.bad : isRead(op) ? colours["ok-soft"] : colours.ok;
    pen.fillStyle = colours.bad;
    pen.fillRect(x - 3, y - 3, w + 6, h + 6);
    pen.fillStyle = colours.paper;
    pen.fillRect(x - 1, y - 1, w + 2, h + 2);
    pen.fillStyle = ink;
    pen.fillRect(x, y, w, h);
    if (isOpen(op)) {
      pen.fillStyle = pattern("other", colours.paper);
      pen.fillRect(x, y, w, h);
    }
  }
};

const nameCore = (pen) => {
  for (const op of core) {
    if (!isShown(op) || view.axis.start[op] > view.to || view.shown[op] < view.from) continue;
    const [x, y, w, h] = barOf(op);
    const filled = op === stuck, ink = filled ? colours.bad : isRead(op) ? colours["ok-soft"] : colours.ok;
    const words = label(op), left = Math.max(x, GUTTER) + 4;
    if (words.length * charWidth + 8 <= w) {
      pen.fillStyle = ink;
      pen.fillRect(left - 2, y + 1, words.length * charWidth + 4, h - 2);
      pen.fillStyle = filled || !isRead(op) ? colours.paper : colours.ink;
      pen.fillText(words, left, y + h / 2 + 0.5);
    } else if (core.size <= 40 && x >= GUTTER) {
      // What matters is named even where its bar is short.
      const at = x + w + 6;
      let space = Math.min(220, frame.width - at);
      for (const other of core) {
        if (other !== op && view.laneOf[other] === view.laneOf[op] && isShown(other) && toX(view.axis.start[other]) > x) space = Math.min(space, toX(view.axis.start[other]) - at - 6);
      }
      const beside = cut(words, space);
      if (!beside) continue;
      pen.globalAlpha = 0.85;
      pen.fillStyle = colours.paper;
      pen.fillRect(at - 2, y + 1, beside.length * charWidth + 4, h - 2);
      pen.globalAlpha = 1;
      pen.fillStyle = filled ? colours.bad : colours.ink;
      pen.fillText(beside, at, y + h / 2 + 0.5);
    }
  }
};

// On the bar of what cannot be placed, at its end: that is where it would have to have happened by.
const placeOfCross = (op) => {
  const [x, y, w, h] = barOf(op);
  return [Math.min(Math.max(w > 24 ? x + w - 12 : x + w / 2, GUTTER), frame.width), y + h / 2];
};

// The steps of the path that the window shows, if they are not too many to be told apart.
const stepsInSight = () => {
  if (!path) return null;
  const first = Math.max(0, countBelow(path.at, view.from) - 1);
  const last = Math.min(path.order.length, countBelow(path.at, view.to) + 1);
  return last - first > 700 ? null : [first, last];
};
const pathY = (op) => laneY(view.laneOf[op]) + LANE / 2;

const paintPathLines = (pen) => {
  const steps = stepsInSight();
  if (!steps) return;
  const { order, at } = path, [i, last] = steps, y = pathY;
  pen.strokeStyle = colours.path;
  pen.lineWidth = 1;
  pen.setLineDash([2, 3]);
  for (let k = i; k < last; k++) {
    const end = view.axis.end[order[k]];
    if (!isRelaxed(order[k]) || end >= at[k]) continue;
    pen.beginPath();
    pen.moveTo(Math.max(GUTTER, toX(end)), y(order[k]));
    pen.lineTo(toX(at[k]), y(order[k]));
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.strokeStyle = colours.path;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (let k = i; k < last; k++) {
    if (k === i) pen.moveTo(toX(at[k]), y(order[k])); else pen.lineTo(toX(at[k]), y(order[k]));
  }
  pen.stroke();
  if (path.stuck < 0 || !order.length) return;
  pen.strokeStyle = colours.bad;
  pen.setLineDash([4, 3]);
  pen.beginPath();
  pen.moveTo(toX(at[order.length - 1]), y(order[order.length - 1]));
  pen.lineTo(...placeOfCross(path.stuck));
  pen.stroke();
  pen.setLineDash([]);
};

const paintPathSteps = (pen) => {
  const steps = stepsInSight();
  if (!steps) return;
  const { order, at, states } = path, y = pathY;
  let [i, last] = steps;
  let textEnd = -Infinity;
  for (; i < last; i++) {
    const x = toX(at[i]);
    pen.fillStyle = colours.path;
    pen.strokeStyle = colours.paper;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(x, y(order[i]), 4, 0, 7);
    pen.fill();
    pen.stroke();
    const state = states?.[i];
    if (state != null && x > textEnd) textEnd = pill(pen, `= ${cut(state, 160)}`, x + 7, y(order[i]) + 15, colours.path) + 6;
  }
  if (path.stuck < 0) return;
  const [crossX, toY] = placeOfCross(path.stuck);
  pen.strokeStyle = colours.paper;
  pen.fillStyle = colours.bad;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.arc(crossX, toY, 7, 0, 7);
  pen.fill();
  pen.stroke();
  pen.beginPath();
  pen.moveTo(crossX - 3, toY - 3);
  pen.lineTo(crossX + 3, toY + 3);
  pen.moveTo(crossX + 3, toY - 3);
  pen.lineTo(crossX - 3, toY + 3);
  pen.stroke();
};

const pill = (pen, words, x, y, ink) => {
  const width = words.length * charWidth + 8;
  pen.fillStyle = colours.paper;
  pen.strokeStyle = ink;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.roundRect(x, y - 7.5, width, 15, 4);
  pen.fill();
  pen.stroke();
  pen.fillStyle = ink;
  pen.fillText(words, x + 4, y + 0.5);
  return x + width;
};
