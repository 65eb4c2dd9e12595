// Pointer, wheel and keys.

const point = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
const perPixel = () => (view.to - view.from) / (frame.width - GUTTER);

let drag = null;
canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  const [x, y] = point(event);
  drag = { x, y, moved: false, ruler: y < RULER, from: view.from, to: view.to, top: view.top };
  canvas.setPointerCapture(event.pointerId);
  if (drag.ruler) setMoment(Math.max(0, view.axis.toTime(toAxis(x))));
});
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = point(event);
  if (!drag) return hover(x, y);
  if (drag.ruler) return setMoment(Math.max(0, view.axis.toTime(toAxis(x))));
  if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 4) return;
  drag.moved = true;
  canvas.classList.add("dragging");
  hideTip();
  const by = (drag.x - x) * (drag.to - drag.from) / (frame.width - GUTTER);
  scrollLanes(drag.top + drag.y - y);
  look(drag.from + by, drag.to + by);
});
const drop = (event) => {
  canvas.classList.remove("dragging");
  if (drag && !drag.moved && !drag.ruler && event.type === "pointerup") {
    const op = opAt(...point(event));
    select(op, { bring: false });
    if (op >= 0 && servers.length) setMoment(isOpen(op) ? ops.at[op] : ops.at[op] + ops.took[op]);
  }
  drag = null;
};
canvas.addEventListener("pointerup", drop);
canvas.addEventListener("pointercancel", drop);
canvas.addEventListener("pointerleave", () => hideTip());
canvas.addEventListener("dblclick", (event) => zoom(0.4, toAxis(point(event)[0])));
canvas.addEventListener("wheel", (event) => {
  const unit = event.deltaMode === 1 ? 16 : 1, [x] = point(event);
  if (event.ctrlKey || event.metaKey) zoom(1.0025 ** (event.deltaY * unit), toAxis(Math.max(GUTTER, x)));
  else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX || event.deltaY) * unit * perPixel());
  else if (frame.content > frame.height && scrollLanes(view.top + event.deltaY * unit)) schedule();
  else return;
  event.preventDefault();
}, { passive: false });

const scrollBar = document.getElementById("scroll");
const scrollLanes = (top) => {
  const before = view.top;
  view.top = Math.max(0, Math.min(frame.content - frame.height, top));
  if (before === view.top) return false;
  scrollBar.scrollTop = view.top;
  return true;
};
scrollBar.addEventListener("scroll", () => {
  view.top = Math.min(scrollBar.scrollTop, Math.max(0, frame.content - frame.height));
  schedule();
});

const tip = document.getElementById("tip");
const hideTip = () => { tip.hidden = true; };
const hover = (x, y) => {
  const op = opAt(x, y), fault = op < 0 ? faultAt(x, y) : null;
  canvas.style.cursor = op >= 0 ? "pointer" : y < RULER && x > GUTTER ? "col-resize" : "";
  let words = "";
  if (op >= 0) words = `${action(op, true).slice(0, 200)}\nprocess ${ops.process[op]}, ${OUTCOMES[ops.outcome[op]]}${ops.error[op] >= 0 ? `: ${text(ops.error[op])}` : ""}\n${moment(ops.at[op])}${isOpen(op) ? ", never known" : ` + ${duration(ops.took[op])}`}`;
  else if (fault) words = `${fault.words}\n${moment(fault.from)}${fault.to < Infinity ? ` to ${moment(fault.to)}` : ", never healed"}`;
  else if (y >= frame.servers && y < frame.servers + servers.length * SERVER && x > GUTTER) {
    const server = servers[Math.floor((y - frame.servers) / SERVER)], change = server && serverAt(server, view.axis.toTime(toAxis(x)));
    const mark = server && markAt(server, x), message = messageAt(x, y);
    if (mark) words = `${server.name} ${text(mark.what)}\n${moment(mark.at)}`;
    else if (message) words = sayMessage(message);
    else if (change) words = `${server.name}: ${ROLES[change.role]}, term ${change.term}\ncommit ${change.commit}, applied ${change.applied}, log to ${change.last}`;
  }
  tip.hidden = !words;
  if (!words) return;
  tip.textContent = words;
  tip.style.left = `${Math.min(x + 14, frame.width - tip.offsetWidth - 8)}px`;
  tip.style.top = `${y + 18 + tip.offsetHeight > frame.height ? Math.max(2, y - tip.offsetHeight - 10) : y + 18}px`;
};

let mapping = false;
const mapTo = (event) => {
  const at = mapAxis(event.clientX - minimap.getBoundingClientRect().left), half = (view.to - view.from) / 2;
  look(at - half, at + half);
};
minimap.addEventListener("pointerdown", (event) => {
  mapping = true;
  minimap.setPointerCapture(event.pointerId);
  if (view.from <= view.axis.min && view.to >= view.axis.max) zoom(0.15);
  mapTo(event);
});
minimap.addEventListener("pointermove", (event) => mapping && mapTo(event));
for (const name of ["pointerup", "pointercancel"]) minimap.addEventListener(name, () => { mapping = false; });

const walk = (by, same) => {
  if (!count) return;
  let op = view.selected;
  if (op < 0) op = by > 0 ? firstInWindow() - 1 : firstInWindow();
  const process = view.selected < 0 ? undefined : ops.process[view.selected];
  for (op += by; op >= 0 && op < count; op += by) {
    if (isShown(op) && (!same || process === undefined || ops.process[op] === process)) return select(op);
  }
};
const firstInWindow = () => countBelow(view.axis.start, Math.max(view.axis.min, view.from));
const stepMoment = (by) => {
  if (view.moment < 0) return setMoment(Math.max(0, view.axis.toTime((view.from + view.to) / 2)));
  const below = countBelow(eventTimes, view.moment), above = countBelow(eventTimes, view.moment + 0.5);
  setMoment(by < 0 ? eventTimes[below - 1] ?? 0 : eventTimes[above] ?? lastTime);
  const x = view.axis.ofTime(view.moment);
  if (x < view.from || x > view.to) look(x - (view.to - view.from) / 2, x + (view.to - view.from) / 2);
};
const goFault = (by) => {
  const at = view.axis.toTime((view.from + view.to) / 2);
  const slack = (view.to - view.from) * 1e-6;
  const next = by > 0 ? faults.find((fault) => fault.from > at + slack) : faults.findLast((fault) => fault.from < at - slack);
  if (!next) return;
  const x = view.axis.ofTime(next.from), half = Math.min(view.to - view.from, (view.axis.max - view.axis.min) / 8) / 2;
  look(x - half, x + half);
  say(`${next.words}, at ${moment(next.from)}`);
};
const goViolation = () => {
  if (core.size) {
    if (![...core].every(isShown)) setKey(verdict.key && keyTexts.includes(verdict.key) ? verdict.key : "");
    reveal([...core]);
    select(stuck >= 0 ? stuck : [...core][0], { bring: false });
    bringLane(view.selected);
  } else if (verdict?.at != null) follow(`#t=${verdict.at}`);
};
const bringLane = (op) => {
  if (op < 0) return;
  const y = laneY(view.laneOf[op]);
  if (y < frame.lanes || y + LANE > frame.height) scrollLanes(view.top + y - (frame.lanes + frame.height) / 2);
};
const turnTheme = () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  repaint();
};

const button = (id) => document.getElementById(id);
const dialog = button("keys"), find = button("find"), keyField = button("key");
const commands = {
  ArrowLeft: (shift) => pan(-(view.to - view.from) * (shift ? 0.9 : 0.12)),
  ArrowRight: (shift) => pan((view.to - view.from) * (shift ? 0.9 : 0.12)),
  ArrowDown: () => walk(1, true), ArrowUp: () => walk(-1, true),
  "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), "−": () => zoom(1 / 0.6), 0: fit,
  n: () => walk(1), p: () => walk(-1), ",": () => stepMoment(-1), ".": () => stepMoment(1),
  v: goViolation, "[": () => goFault(-1), "]": () => goFault(1), "/": () => find.focus(),
  x: () => setAxis(view.axis.byOrder ? "time" : "order"), l: () => setMerged(!view.merged), d: turnTheme, m: () => messages.length && setSending(!sending),
  "?": () => dialog.showModal(), Escape: () => { select(-1); setMoment(-1); },
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const within = event.target.closest?.("input, select, textarea, button, summary, a");
  if (within && (within.matches("input, select, textarea") || ["Enter", " "].includes(event.key))) {
    if (event.key === "Escape") within.blur();
    if (event.key === "Enter" && within === find) findNext(event.shiftKey);
    return;
  }
  // The page itself must scroll by arrows unless the timeline has the focus.
  if (/^Arrow(Up|Down)$/.test(event.key) && document.activeElement !== canvas) return;
  const command = commands[event.key];
  if (!command) return;
  event.preventDefault();
  command(event.shiftKey);
});
find.addEventListener("input", () => {
  finding = find.value.trim().toLowerCase();
  tableFrom = 0;
  countFound();
  showTable();
});
keyField.addEventListener("change", () => setKey(keyField.value));
button("axis").addEventListener("click", commands.x);
button("lanes").addEventListener("click", commands.l);
button("messages").addEventListener("click", commands.m);
button("zoom-in").addEventListener("click", () => zoom(0.5));
button("zoom-out").addEventListener("click", () => zoom(2));
button("fit").addEventListener("click", fit);
button("theme").addEventListener("click", turnTheme);
button("help").addEventListener("click", () => dialog.showModal());
button("go-violation").addEventListener("click", goViolation);
button("table-back").addEventListener("click", () => turnTable(true));
button("table-on").addEventListener("click", () => turnTable(false));
button("table").addEventListener("toggle", showTable);
for (const copy of document.querySelectorAll(".copy")) {
  if (!navigator.clipboard) continue;
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(copy.parentElement.querySelector("code").textContent);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
}
