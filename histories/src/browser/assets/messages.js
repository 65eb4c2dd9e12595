// On the timeline, on demand: what servers sent each other, as arrows between their lanes.

const MOST = 600;
let sending = false;
const messages = (source.rest.lanes?.messages ?? []).flatMap(([sent, taken, from, to, what]) =>
  (taken.length ? taken : [null]).map((after, copy) => ({ sent, at: after === null ? Infinity : sent + after, from, to, what, copy: copy > 0 })));
const sentTimes = messages.map((message) => message.sent);
const slowest = messages.reduce((most, { sent, at }) => (at < Infinity ? Math.max(most, at - sent) : most), 0);
let drawn = [];

const middleOf = (server) => frame.servers + server * SERVER + 9;
const inWindowOfTime = () => {
  const from = view.axis.toTime(view.from), to = view.axis.toTime(view.to), list = [];
  for (let i = countBelow(sentTimes, from - slowest); i < messages.length && sentTimes[i] <= to; i++) {
    const message = messages[i];
    if (message.at === Infinity ? message.sent >= from : message.at >= from) list.push(message);
  }
  return list;
};

const paintMessages = (pen) => {
  drawn = [];
  if (!sending) return;
  const all = inWindowOfTime();
  if (all.length > MOST) {
    pill(pen, `${all.length} messages in this window: zoom in to see them`, GUTTER + 8, frame.servers + 9, colours.ink);
    return;
  }
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, frame.servers - 1, frame.width, servers.length * SERVER + PAD);
  pen.clip();
  pen.lineWidth = 1;
  for (const message of all) {
    const x0 = toX(view.axis.ofTime(message.sent)), y0 = middleOf(message.from);
    const lost = message.at === Infinity;
    const full = middleOf(message.to);
    // What never arrived ends half-way.
    const x1 = lost ? x0 + 14 : toX(view.axis.ofTime(message.at)), y1 = lost ? (y0 + full) / 2 : full;
    pen.strokeStyle = pen.fillStyle = lost ? colours.bad : colours.ink;
    pen.globalAlpha = lost || all.length < 120 ? 0.9 : 0.5;
    pen.setLineDash(lost ? [2, 2] : message.copy ? [5, 2] : []);
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
    pen.setLineDash([]);
    if (lost) {
      pen.beginPath();
      pen.moveTo(x1 - 3, y1 - 3);
      pen.lineTo(x1 + 3, y1 + 3);
      pen.moveTo(x1 + 3, y1 - 3);
      pen.lineTo(x1 - 3, y1 + 3);
      pen.stroke();
    } else {
      const angle = Math.atan2(y1 - y0, x1 - x0);
      pen.beginPath();
      pen.moveTo(x1, y1);
      pen.lineTo(x1 - 6 * Math.cos(angle - 0.4), y1 - 6 * Math.sin(angle - 0.4));
      pen.lineTo(x1 - 6 * Math.cos(angle + 0.4), y1 - 6 * Math.sin(angle + 0.4));
      pen.fill();
    }
    drawn.push({ message, x0, y0, x1, y1 });
  }
  pen.restore();
};

// The message whose arrow is nearest to the pointer.
const messageAt = (x, y) => {
  let best = null, least = 5;
  for (const arrow of drawn) {
    const dx = arrow.x1 - arrow.x0, dy = arrow.y1 - arrow.y0, length = dx * dx + dy * dy || 1;
    const along = Math.max(0, Math.min(1, ((x - arrow.x0) * dx + (y - arrow.y0) * dy) / length));
    const distance = Math.hypot(x - arrow.x0 - along * dx, y - arrow.y0 - along * dy);
    if (distance < least) [best, least] = [arrow.message, distance];
  }
  return best;
};
const sayMessage = ({ sent, at, from, to, what, copy }) =>
  `${servers[from].name} → ${servers[to].name}: ${text(what)}\nsent ${moment(sent)}, ${at === Infinity ? "never taken in" : `${copy ? "once more " : ""}taken in after ${duration(at - sent)}`}`;

const setSending = (on) => {
  sending = on && messages.length > 0;
  // Arrows of a whole run are a smear: the first look is at as many as can be told apart.
  if (sending && inWindowOfTime().length > MOST) {
    const centre = view.moment >= 0 ? view.moment : verdict?.at ?? view.axis.toTime((view.from + view.to) / 2);
    const first = Math.max(0, countBelow(sentTimes, centre) - 60), last = Math.min(messages.length - 1, first + 120);
    look(view.axis.ofTime(sentTimes[first]), view.axis.ofTime(sentTimes[last]));
  }
  changed("messages");
};
