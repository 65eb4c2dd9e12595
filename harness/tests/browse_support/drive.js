// Does to a page what a person does, and says what it saw: at the end it goes to /said?JSON.
const seen = { errors: [], steps: {}, figures: {} };
window.addEventListener("error", (event) => seen.errors.push(String(event.message)));
window.addEventListener("securitypolicyviolation", (event) => seen.errors.push(`blocked: ${event.violatedDirective}`));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));
const press = (key, target = document.getElementById("canvas")) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const words = (id) => document.getElementById(id).innerText;
const finish = (promise) => promise.catch((error) => seen.errors.push(String(error))).then(() => {
  location.href = `/said?${encodeURIComponent(JSON.stringify(seen))}`;
});
const ready = async () => {
  if (document.readyState !== "complete") await new Promise((resolve) => window.addEventListener("load", resolve));
  await nextFrame();
  await nextFrame();
};
const colours = () => {
  const canvas = document.getElementById("canvas"), found = new Set();
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4 * 37) found.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
  return found.size;
};

// Points at the timeline until its tip says something of this kind.
const pointUntil = (pattern) => {
  const canvas = document.getElementById("canvas"), tip = document.getElementById("tip"), box = canvas.getBoundingClientRect();
  for (let y = 20; y < box.height; y += 3) {
    for (let x = 120; x < box.width; x += 3) {
      canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + x, clientY: box.top + y, bubbles: true }));
      if (!tip.hidden && pattern.test(tip.textContent)) return tip.textContent;
    }
  }
  return null;
};
// What a person finds besides the verdict: arrows, faults, the map, the path, the legend, the paper.
const lookAround = () => finish((async () => {
  await ready();
  const { steps } = seen, shown = (name) => document.querySelector(name).offsetParent !== null;
  const at = () => Number(location.hash.match(/from=([-\d.]+)/)?.[1]);
  steps["a server's lane says role, term and indexes"] = /^n\d: (leader|follower|candidate), term \d+\ncommit \d+, applied \d+, log to \d+$/.test(pointUntil(/^n\d: /) ?? "");
  steps["the legend has roles, and no messages yet"] = shown(".when-servers") && !shown(".when-sending");
  steps["without messages there are no arrows"] = pointUntil(/→ n\d: /) === null;
  press("m");
  await pause(50);
  steps["m shows messages, and the legend explains them"] = document.getElementById("messages").getAttribute("aria-pressed") === "true" && shown(".when-sending");
  steps["an arrow says what was sent, and when it was taken in"] = /^n\d → n\d: \w+.*\nsent .*(taken in after|never taken in)/s.test(pointUntil(/→ n\d: /) ?? "");
  press("m");
  press("0");
  await pause(400);
  steps["a fault is a band with its words and its time"] = /\n.* to /.test(pointUntil(/^crash the leader/) ?? "");
  press("]");
  steps["] goes to the next fault and says it"] = /, at /.test(words("live"));
  press("0");
  const map = document.getElementById("minimap"), box = map.getBoundingClientRect();
  for (const name of ["pointerdown", "pointerup"]) map.dispatchEvent(new PointerEvent(name, { pointerId: 1, button: 0, clientX: box.left + box.width * 0.7, clientY: box.top + 20, bubbles: true }));
  await pause(400);
  const there = at();
  steps["the map goes where it is pressed"] = there > 0;
  press("ArrowRight");
  await pause(400);
  steps["an arrow key pans"] = at() > there;
  press("v");
  await pause(50);
  steps["the order is a path, each step with its state"] = document.body.classList.contains("has-path") && document.querySelectorAll(".attempts li, .attempts .step").length >= 2;
  steps["an operation has a link of its own"] = document.querySelector("#operation a[href^='#op=']") !== null;
  press("ArrowDown");
  await nextFrame();
  steps["down stays with the process"] = /process \d+/.test(words("live"));
  press("?");
  steps["? lists the keys"] = document.getElementById("keys").open;
  document.getElementById("keys").close();
  const merged = () => document.getElementById("lanes").getAttribute("aria-pressed"), before = merged();
  press("l");
  steps["l merges lanes, or takes them apart"] = before !== merged();
  document.documentElement.dataset.theme = "dark";
  window.dispatchEvent(new Event("beforeprint"));
  steps["paper is light and has nothing folded"] = document.documentElement.dataset.theme === "light" && document.querySelector(".core details:not([open])") === null;
  window.dispatchEvent(new Event("afterprint"));
  steps["and the screen is as before"] = document.documentElement.dataset.theme === "dark" && document.querySelector(".core details[open]") === null;
})());

// A page of the corpus, as it opens: what is on the first screen?
const firstScreen = () => finish((async () => {
  await ready();
  const below = (name) => document.querySelector(name).getBoundingClientRect().bottom;
  Object.assign(seen.figures, { timeline: below("#stage"), verdict: below("header.say"), wide: document.documentElement.scrollWidth - innerWidth });
  seen.steps.rule = document.querySelector(".rule")?.innerText ?? "";
  seen.steps.headline = document.querySelector("h1").innerText;
  press("m");
  await pause(50);
  seen.steps.arrow = pointUntil(/→ n\d: /) !== null;
})());

const walkThrough = () => finish((async () => {
  await ready();
  const { steps } = seen;
  steps["the verdict is the first thing said"] = /Not linearizable: key/.test(document.querySelector("h1").innerText);
  steps["the core is drawn"] = document.querySelectorAll("#core-picture svg a").length >= 2;
  steps["the timeline is drawn"] = colours() > 5;
  press("Escape");
  press("v");
  await nextFrame();
  steps["v goes to the operation that cannot be placed"] = /cannot be placed/.test(words("operation"));
  await pause(400);
  steps["the address links to it"] = /op=\d+/.test(location.hash);
  const before = words("operation");
  press("n");
  await nextFrame();
  steps["n walks on"] = words("operation") !== before && /Outcome/.test(words("operation"));
  press("0");
  press(",");
  await nextFrame();
  steps["the scrubber shows every server"] = document.querySelectorAll("#moment .servers tbody tr").length === 5 && /leader|follower|down/.test(words("moment"));
  const key = document.getElementById("key");
  key.value = key.options[key.options.length - 1].value;
  key.dispatchEvent(new Event("change"));
  await pause(400);
  steps["a key filters, and the address keeps it"] = location.hash.includes("key=");
  const find = document.getElementById("find");
  find.value = "info";
  find.dispatchEvent(new Event("input"));
  steps["finding counts"] = /^\d+ found$/.test(words("found"));
  key.value = "";
  key.dispatchEvent(new Event("change"));
  find.value = "info";
  find.dispatchEvent(new Event("input"));
  find.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  await nextFrame();
  steps["Enter goes to what was found"] = /nobody knows/.test(words("operation"));
  find.value = "";
  find.dispatchEvent(new Event("input"));
  document.getElementById("table").open = true;
  await pause(50);
  steps["the table holds operations"] = document.querySelectorAll("#rows tr").length === 100;
  press("x");
  await pause(50);
  steps["the order of events is an axis too"] = document.getElementById("axis").getAttribute("aria-pressed") === "true" && colours() > 5;
  press("d");
  await pause(100);
  steps["dark is another colour"] = colours() > 5 && document.documentElement.dataset.theme !== undefined;
  const box = document.getElementById("canvas").getBoundingClientRect();
  document.getElementById("canvas").dispatchEvent(new WheelEvent("wheel", { deltaY: -400, ctrlKey: true, clientX: box.left + 600, clientY: box.top + 60, bubbles: true, cancelable: true }));
  await pause(400);
  steps["the wheel zooms"] = /from=/.test(location.hash);
  steps["everything to press has a name"] = [...document.querySelectorAll("button:not([hidden]), select, input, canvas")].every((node) => node.innerText?.trim() || node.getAttribute("aria-label") || node.labels?.[0]?.innerText.trim() || node.closest("[hidden]"));
})());

const arrive = (op) => finish((async () => {
  await ready();
  seen.steps.operation = words("operation").includes(`#op=${op}`);
  seen.steps.moment = words("moment").includes("4.0000 s");
})());

const showAll = () => finish((async () => {
  await ready();
  document.getElementById("table").open = true;
  for (const key of ["0", "n", "n", "n", ",", "v", "]"]) press(key);
  const box = document.getElementById("canvas").getBoundingClientRect();
  for (let x = 100; x < 1200; x += 20) document.getElementById("canvas").dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + x, clientY: box.top + 30, bubbles: true }));
  await pause(300);
  seen.steps["nothing ran"] = window.evil === undefined;
  seen.steps["no element"] = document.querySelector("img, iframe, object") === null;
})());

const timeFrames = () => finish((async () => {
  await ready();
  const { figures } = seen;
  figures.timeline_ms = performance.now();
  figures.first_paint_ms = performance.getEntriesByType("paint").find((entry) => entry.name === "first-contentful-paint")?.startTime;
  const pans = async (name) => {
    const times = [];
    let last = await nextFrame();
    for (let i = 0; i < 120; i++) {
      press(i % 60 < 30 ? "ArrowRight" : "ArrowLeft");
      const now = await nextFrame();
      times.push(now - last);
      last = now;
    }
    times.sort((a, b) => a - b);
    figures[`${name}_median_ms`] = times[60];
    figures[`${name}_p95_ms`] = times[114];
    figures[`${name}_worst_ms`] = times[119];
  };
  press("0");
  press("+");
  await pans("whole");
  for (const name of ["tenth", "hundredth", "thousandth"]) {
    for (let i = 0; i < 5; i++) press("+");
    await pans(name);
  }
})());

const useIndex = () => finish((async () => {
  await ready();
  const { steps } = seen;
  const shown = () => [...document.querySelectorAll("#rows tr:not([hidden])")].map((row) => row.querySelector("a").textContent);
  const ask = (id, value) => {
    const field = document.getElementById(id);
    field.value = value;
    field.dispatchEvent(new Event("input"));
  };
  const all = shown();
  steps["the violation comes first"] = all[0] === "seed-7" && all.length === 4;
  document.querySelector("[data-verdict='not judged']").click();
  steps["a verdict filters"] = shown().join() === "knossos.edn" && location.hash.includes("verdict=not");
  document.querySelector("[data-verdict='']").click();
  ask("seed", "1–7");
  steps["a range of seeds filters"] = shown().join() === "seed-7";
  ask("seed", "8-9");
  steps["no match is said"] = shown().length === 0 && !document.getElementById("none").hidden;
  ask("seed", "");
  ask("mutant", "majority-off-by-one");
  steps["a mutant filters, and the address keeps it"] = shown().join() === "their-bug" && location.hash.includes("mutant=majority");
  ask("mutant", "");
  ask("spec", "kv-append");
  steps["a specification filters"] = shown().join() === "their-bug";
  ask("spec", "");
  ask("find", "linearizability seed");
  steps["words find"] = shown().join() === "seed-7";
  ask("find", "");
  ask("nemesis", "crash");
  steps["a fault filters"] = shown().join() === "seed-7";
  ask("nemesis", "");
  const head = document.querySelectorAll("thead button")[6];
  head.click();
  head.click();
  steps["a column sorts, and again the other way"] = shown()[0] === "seed-7" && document.querySelectorAll("th")[6].getAttribute("aria-sort") === "descending";
})());
