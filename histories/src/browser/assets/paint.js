// Colours and strokes for the canvases: read from the style sheet once a theme, batched by kind.

const colours = {};
const NAMES = ["paper", "panel", "ink", "soft", "line", "faint", "bad", "bad-soft", "good", "ok", "ok-soft", "fail", "info", "info-soft", "path", "partition", "crash", "noise", "other", "follower", "candidate", "leader", "down", "link", "mono", "sans"];
const readColours = () => {
  const style = getComputedStyle(document.documentElement);
  for (const name of NAMES) colours[name] = style.getPropertyValue(`--${name}`).trim();
  patterns.clear();
};

// Faults are told apart by texture, then by colour.
const patterns = new Map();
const pattern = (kind, colour) => {
  const name = `${kind} ${colour}`;
  let made = patterns.get(name);
  if (made) return made;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  pen.fillStyle = pen.strokeStyle = colour;
  pen.lineWidth = 1.2;
  if (kind === "partition") pen.fillRect(0, 0, 2, 6);
  else if (kind === "crash") pen.fillRect(0, 0, 6, 6);
  else if (kind === "noise") { pen.fillRect(0, 0, 2, 2); pen.fillRect(3, 3, 2, 2); }
  else { pen.beginPath(); for (const x of [-6, 0, 6]) { pen.moveTo(x, 6); pen.lineTo(x + 6, 0); } pen.stroke(); }
  patterns.set(name, (made = pen.createPattern(tile, "repeat")));
  return made;
};

// Rectangles of one kind, kept from frame to frame: nothing is allocated while panning.
class Rects {
  constructor() {
    this.all = new Float32Array(4096);
    this.length = 0;
  }
  push(x, y, w, h) {
    if (this.length + 4 > this.all.length) {
      const bigger = new Float32Array(this.all.length * 2);
      bigger.set(this.all);
      this.all = bigger;
    }
    const all = this.all;
    all[this.length++] = x;
    all[this.length++] = y;
    all[this.length++] = w;
    all[this.length++] = h;
  }
  fill(pen, style) {
    pen.fillStyle = style;
    const all = this.all;
    for (let i = 0; i < this.length; i += 4) pen.fillRect(all[i], all[i + 1], all[i + 2], all[i + 3]);
  }
  stroke(pen, style) {
    pen.strokeStyle = style;
    pen.lineWidth = 1;
    const all = this.all;
    for (let i = 0; i < this.length; i += 4) {
      if (all[i + 2] > 3) pen.strokeRect(all[i] + 0.5, all[i + 1] + 0.5, all[i + 2] - 1, all[i + 3] - 1);
    }
  }
}

// A canvas as large as its box, in device pixels.
const sized = (canvas, width, height) => {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const pen = canvas.getContext("2d", { alpha: false });
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
};

let charWidth = 7;
const cut = (words, width) => {
  const fits = Math.floor(width / charWidth);
  return words.length <= fits ? words : fits < 2 ? "" : `${words.slice(0, fits - 1)}…`;
};
