// Start: the first view is what a reviewer came for.

const live = document.getElementById("live");
const say = (words) => { live.textContent = words; };

const repaint = () => {
  readColours();
  layOut();
  strip = null;
  drawCore();
  schedule();
};
listeners.push((what) => {
  if (what === "lanes") {
    layOut();
    choosePath();
    strip = null;
    keyField.value = view.key;
    button("axis").setAttribute("aria-pressed", String(view.axis.byOrder));
    button("lanes").setAttribute("aria-pressed", String(view.merged));
    tableFrom = 0;
    countFound();
    showTable();
  }
  if (what === "selected") {
    showOperation();
    bringLane(view.selected);
    if (view.selected >= 0) say(`operation ${view.selected}: ${action(view.selected, true).slice(0, 120)}, process ${ops.process[view.selected]}, ${OUTCOMES[ops.outcome[view.selected]]}`);
    if (view.selected >= 0 && document.getElementById("table").open && (view.selected < tableFrom || view.selected >= tableNext)) tableFrom = view.selected;
    showTable();
  }
  if (what === "moment") showMoment();
  if (what === "messages") {
    button("messages").setAttribute("aria-pressed", String(sending));
    document.body.classList.toggle("has-sending", sending);
  }
  schedule();
});

for (const key of keyTexts) keyField.append(element("option", { value: key }, key));
keyField.closest("label").hidden = keyTexts.length < 2;
button("axis").hidden = !clocks;
button("messages").hidden = messages.length === 0;
document.body.classList.toggle("has-servers", servers.length > 0);
document.body.classList.toggle("has-marks", servers.some((server) => server.marks.length > 0));
button("go-violation").hidden = core.size === 0 && verdict?.at == null;
document.body.classList.toggle("has-core", core.size > 0);

readColours();
arrange();
const each = view.lanes.length;
view.merged = true;
arrange();
const merged = view.lanes.length;
// Many clients that were given up and replaced would be mostly empty lanes.
view.merged = each > 16 && merged < each * 0.7;
button("lanes").hidden = merged === each;
view.from = view.axis.min;
view.to = view.axis.max;
layOut();
if (verdict?.key && keyTexts.includes(verdict.key) && core.size) view.key = verdict.key;
arrange();
changed("lanes");
showOperation();
showMoment();
drawCore();
if (core.size) {
  reveal([...core]);
  bringLane(stuck >= 0 ? stuck : [...core][0]);
} else if (verdict?.at != null) follow(`#t=${verdict.at}`);
else fit();
follow(location.hash);

// Paper is light, and shows what a click would open.
const onPaper = [];
window.addEventListener("beforeprint", () => {
  const root = document.documentElement, theme = root.dataset.theme;
  const folded = [...document.querySelectorAll(".core details:not([open])")];
  root.dataset.theme = "light";
  for (const list of folded) list.open = true;
  const redraw = () => {
    readColours();
    strip = null;
    paint();
    paintMinimap();
  };
  redraw();
  onPaper.push(() => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    for (const list of folded) list.open = false;
    redraw();
  });
});
window.addEventListener("afterprint", () => onPaper.splice(0).forEach((undo) => undo()));
window.addEventListener("hashchange", () => follow(location.hash));
new ResizeObserver(repaint).observe(document.getElementById("stage"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
