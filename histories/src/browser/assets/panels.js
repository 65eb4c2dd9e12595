// Words beside the picture: the operation, the moment, and all operations as a table.

const element = (name, attributes = {}, ...inside) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
};
const facts = (pairs) => {
  const list = element("dl");
  for (const [name, value] of pairs) if (value !== "" && value != null) list.append(element("dt", {}, name), element("dd", {}, value));
  return list;
};

const linkTo = (op, words) => element("a", { href: `#op=${op}` }, words);

const showOperation = () => {
  const room = document.getElementById("operation"), op = view.selected;
  if (op < 0) {
    room.replaceChildren(element("p", { class: "soft" }, "Click a bar, or press ", element("kbd", {}, "n"), " and ", element("kbd", {}, "p"), ". The address then links to the operation."));
    return;
  }
  const outcome = { [OK]: "ok: it happened", [FAIL]: "fail: it did not happen", [INFO]: "info: nobody knows whether it happened", [NEVER]: "it never returned: nobody knows whether it happened" }[ops.outcome[op]];
  const pairs = [
    ["Outcome", outcome], ["Error", text(ops.error[op])], ["Process", String(ops.process[op])], ["Server", text(ops.node[op])],
    ["Key", text(ops.key[op])], ["Invoked", `${moment(ops.at[op])}, event ${ops.index[op]}`],
    ["Completed", isOpen(op) ? "never known" : `${moment(ops.at[op] + ops.took[op])}, after ${duration(ops.took[op])}`],
    ["Number", linkTo(op, `#op=${op}`)],
  ];
  if (core.has(op)) pairs.unshift(["Role", op === stuck ? "cannot be placed: see above" : "one of those that no order explains"]);
  const step = path ? path.order.indexOf(op) : -1;
  if (step >= 0) pairs.push(["Placed", `step ${step + 1} of the order${path.states?.[step] != null ? `; the state after it is ${path.states[step]}` : ""}`]);
  room.replaceChildren(element("p", { class: "action" }, action(op, true)), facts(pairs));
};

const TERMS = ["#8fb3d9", "#d9b36c", "#97c29b", "#c9a0cf", "#d99a8f", "#8cc5c5", "#b8b08a", "#a8aee0"];
const logPicture = (change, most, pixels) => {
  const picture = shape("svg", { viewBox: "0 0 1000 18", preserveAspectRatio: "none", role: "img", "aria-label": `log up to ${change.last}, committed ${change.commit}` });
  const x = (index) => Math.min(1000, index / most * 1000);
  change.log.forEach(([term, first], i) => {
    const end = i + 1 < change.log.length ? change.log[i + 1][1] - 1 : change.last;
    if (end < first) return;
    const box = shape("rect", { x: x(first - 1), y: 3, width: Math.max(1, x(end) - x(first - 1)), height: 12, fill: TERMS[term % TERMS.length] });
    box.append(shape("title", {}, `term ${term}: entries ${first} to ${end}`));
    picture.append(box);
  });
  picture.append(
    shape("rect", { x: 0, y: 15, width: x(change.commit), height: 3, fill: "var(--leader)" }),
    shape("rect", { x: x(change.applied) - 1, y: 0, width: 2 * 1000 / pixels, height: 18, fill: "var(--ink)" }),
  );
  return picture;
};

const showMoment = () => {
  const room = document.getElementById("moment"), ns = view.moment;
  if (ns < 0) {
    const what = servers.length ? "every server's role and log" : "what was under way";
    room.replaceChildren(element("p", { class: "soft" }, `Click or drag on the ruler to see ${what} at a moment; step through events with `, element("kbd", {}, ","), " and ", element("kbd", {}, "."), "."));
    return;
  }
  const under = [];
  for (let op = 0, last = countBelow(eventTimes, ns + 0.5); op < count && ops.place[op] < last; op++) {
    if (ops.took[op] < 0 ? ops.outcome[op] === NEVER : ops.at[op] + ops.took[op] > ns) under.push(op);
  }
  const active = faults.filter((fault) => fault.from <= ns && (fault.to > ns || fault.from === fault.to && fault.to === ns));
  const list = element("span");
  under.slice(0, 12).forEach((op, i) => list.append(i ? ", " : "", linkTo(op, action(op, true).slice(0, 48))));
  if (under.length > 12) list.append(` and ${under.length - 12} more`);
  const inside = [facts([
    ["At", element("a", { href: `#t=${Math.round(ns)}` }, moment(ns))],
    ["Faults", active.map((fault) => fault.words).join("; ") || "none"],
    ["Under way", under.length ? list : "nothing"],
  ])];
  if (servers.length) {
    const now = servers.map((server) => serverAt(server, ns));
    const most = Math.max(1, ...now.map((change) => change?.last ?? 0));
    const table = element("table", { class: "servers" });
    table.append(element("thead", {}, element("tr", {}, ...["Server", "Role", "Term", "Vote", "Commit", "Applied", "Last", "Log by term; green is committed"].map((name) => element("th", { scope: "col" }, name)))));
    const body = element("tbody");
    servers.forEach((server, i) => {
      const change = now[i];
      const role = change ? ROLES[change.role] : "not started";
      const swatch = element("i", { style: `background: var(--${change ? role : "line"})` });
      const cells = change ? [String(change.term), change.vote == null ? "–" : servers[change.vote]?.name ?? "–", String(change.commit), String(change.applied), String(change.last)] : ["–", "–", "–", "–", "–"];
      const log = element("td", { class: "log" });
      if (change) log.append(logPicture(change, most, 700));
      body.append(element("tr", {}, element("td", {}, server.name), element("td", {}, element("span", { class: "role" }, swatch, role)), ...cells.map((cell) => element("td", {}, cell)), log));
    });
    table.append(body);
    inside.push(table);
  }
  room.replaceChildren(...inside);
};

// The table holds a stretch of operations around the one looked at.
const PAGE = 100;
let tableFrom = 0;
const matches = (op) => isShown(op) && (!finding || found(op));
const showTable = () => {
  const details = document.getElementById("table");
  if (!details.open) return;
  const rows = [];
  let op = tableFrom;
  for (; op < count && rows.length < PAGE; op++) {
    if (!matches(op)) continue;
    const row = element("tr", {},
      element("td", {}, linkTo(op, String(op))), element("td", {}, String(ops.process[op])), element("td", {}, action(op, false).slice(0, 160)),
      element("td", {}, text(ops.key[op])), element("td", {}, OUTCOMES[ops.outcome[op]]), element("td", {}, moment(ops.at[op])),
      element("td", {}, ended(op)), element("td", {}, text(ops.node[op])), element("td", {}, text(ops.error[op])));
    if (op === view.selected) row.setAttribute("aria-current", "true");
    rows.push(row);
  }
  document.getElementById("rows").replaceChildren(...rows);
  document.getElementById("table-range").textContent = rows.length ? `${rows.length} operations from ${tableFrom} of ${count}` : "no operation";
  document.getElementById("table-back").disabled = tableFrom === 0;
  document.getElementById("table-on").disabled = op >= count;
  tableNext = op;
};
let tableNext = 0;
const turnTable = (back) => {
  if (!back) tableFrom = Math.min(tableNext, Math.max(0, count - 1));
  else for (let left = PAGE; tableFrom > 0 && left > 0;) if (matches(--tableFrom)) left--;
  showTable();
};

// Finding: words that all occur in what an operation says of itself.
let finding = "";
const saying = (op) => `${action(op, true)} process ${ops.process[op]} ${OUTCOMES[ops.outcome[op]]} ${text(ops.error[op])} ${text(ops.node[op])}`.toLowerCase();
const found = (op) => {
  const words = saying(op);
  return words.includes(finding) || finding.split(/\s+/).every((word) => words.includes(word));
};
const findNext = (back) => {
  if (!finding) return;
  for (let step = 1; step <= count; step++) {
    const op = (((view.selected < 0 && !back ? -1 : view.selected) + (back ? -step : step)) % count + count) % count;
    if (isShown(op) && found(op)) {
      select(op);
      return;
    }
  }
};
const countFound = () => {
  let total = 0;
  if (finding) for (let op = 0; op < count; op++) if (matches(op)) total++;
  document.getElementById("found").textContent = finding ? `${total} found` : "";
};
