// Filters, search and sorting over rows that are already there; the address keeps what was asked.
(() => {
"use strict";
const entries = JSON.parse(document.getElementById("data").textContent);
const body = document.getElementById("rows"), rows = [...body.rows];
const field = (id) => document.getElementById(id);
const asked = { verdict: "", find: "", spec: "", nemesis: "", mutant: "", seed: "", sort: "", down: "" };
const ORDER = ["violation", "unknown", "unreadable", "not judged", "valid"];
const sayings = entries.map((entry) => [entry.name, entry.verdict, entry.what, entry.spec, entry.mutant, entry.nemesis.join(" "), entry.seed].join(" ").toLowerCase());

const options = (id, values) => {
  const all = [...new Set(values.filter((value) => value != null))].sort();
  for (const value of all) field(id).append(new Option(value, value));
  field(id).closest("label").hidden = all.length < 1 || (id === "spec" && all.length < 2);
};
options("spec", entries.map((entry) => entry.spec));
options("nemesis", entries.flatMap((entry) => entry.nemesis));
options("mutant", entries.map((entry) => entry.mutant));
field("seed").closest("label").hidden = entries.every((entry) => entry.seed == null);

const verdicts = ["", ...ORDER.filter((verdict) => entries.some((entry) => entry.verdict === verdict))];
for (const verdict of verdicts) {
  const button = document.createElement("button");
  const count = verdict ? entries.filter((entry) => entry.verdict === verdict).length : entries.length;
  button.type = "button";
  button.dataset.verdict = verdict;
  button.textContent = `${verdict || "all"} ${count}`;
  button.addEventListener("click", () => { asked.verdict = verdict; show(); });
  field("verdicts").append(button);
}

const seedMatches = (seed) => {
  if (!asked.seed) return true;
  const range = asked.seed.match(/^\s*(\d+)\s*(?:[-–.]+\s*(\d+))?\s*$/);
  return range !== null && seed != null && seed >= Number(range[1]) && seed <= Number(range[2] ?? range[1]);
};
const columns = [(e) => ORDER.indexOf(e.verdict), (e) => e.name, (e) => e.what, (e) => e.spec ?? "", (e) => e.nemesis.join(), (e) => e.seed ?? -1, (e) => e.operations];

const show = () => {
  const words = asked.find.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  entries.forEach((entry, i) => {
    const wanted = (!asked.verdict || entry.verdict === asked.verdict) && (!asked.spec || entry.spec === asked.spec)
      && (!asked.nemesis || entry.nemesis.includes(asked.nemesis)) && (!asked.mutant || entry.mutant === asked.mutant)
      && seedMatches(entry.seed) && words.every((word) => sayings[i].includes(word));
    rows[i].hidden = !wanted;
    if (wanted) shown++;
  });
  field("shown").textContent = shown === entries.length ? `${shown} histories` : `${shown} of ${entries.length} histories`;
  field("none").hidden = shown > 0;
  for (const button of field("verdicts").children) button.setAttribute("aria-pressed", String(button.dataset.verdict === asked.verdict));
  const order = rows.map((_, i) => i);
  const sort = asked.sort === "" ? -1 : Number(asked.sort);
  heads.forEach((head, column) => {
    if (column === sort) head.setAttribute("aria-sort", asked.down ? "descending" : "ascending"); else head.removeAttribute("aria-sort");
  });
  if (columns[sort]) {
    const of = columns[sort], sign = asked.down ? -1 : 1;
    order.sort((a, b) => {
      const [x, y] = [of(entries[a]), of(entries[b])];
      return sign * (typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true })) || a - b;
    });
  }
  body.append(...order.map((i) => rows[i]));
  const link = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ""));
  try { history.replaceState(null, "", `#${link}`); } catch { /* no address to keep */ }
};

const heads = [...document.querySelectorAll("thead th")];
heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const again = asked.sort === String(column);
    asked.down = again ? (asked.down ? "" : "1") : "";
    asked.sort = String(column);
    show();
  });
});
for (const id of ["find", "spec", "nemesis", "mutant", "seed"]) {
  field(id).addEventListener("input", () => { asked[id] = field(id).value; show(); });
}
const restore = () => {
  const link = new URLSearchParams(location.hash.slice(1));
  for (const name in asked) asked[name] = link.get(name) ?? "";
  for (const id of ["find", "spec", "nemesis", "mutant", "seed"]) field(id).value = asked[id];
  show();
};
field("clear").addEventListener("click", () => { location.hash = ""; restore(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input, select")) { event.preventDefault(); field("find").focus(); }
});
window.addEventListener("hashchange", restore);
restore();
})();
