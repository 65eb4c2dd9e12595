// The whole history in one strip: how much happened when, what went wrong, and the window looked at.

const minimap = document.getElementById("minimap");
const MAP = 46;
let strip = null;

const drawStrip = () => {
  const width = minimap.clientWidth;
  strip = document.createElement("canvas");
  const pen = sized(strip, width, MAP);
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, width, MAP);
  const place = (at) => GUTTER + (at - view.axis.min) / (view.axis.max - view.axis.min) * (width - GUTTER);
  const lastX = place(view.axis.ofTime(lastTime));
  for (const fault of faults) {
    const from = place(view.axis.ofTime(fault.from)), to = Math.min(lastX, place(view.axis.ofTime(fault.to)));
    pen.globalAlpha = 0.45;
    pen.fillStyle = pattern(fault.kind, colours[fault.kind]);
    pen.fillRect(from, 1 + fault.row * 2, Math.max(1, to - from), 2);
  }
  for (const shade of shades) {
    const from = place(view.axis.ofTime(shade.from)), to = Math.min(lastX, place(view.axis.ofTime(shade.to)));
    pen.globalAlpha = 0.075;
    pen.fillStyle = colours[shade.kind];
    pen.fillRect(from, 0, Math.max(1, to - from), MAP);
  }
  pen.globalAlpha = 1;
  const columns = Math.max(1, Math.ceil(width - GUTTER)), all = new Uint32Array(columns), bad = new Uint32Array(columns);
  const { start, min, max } = view.axis, scale = columns / (max - min);
  let most = 1;
  for (const lane of view.lanes) {
    for (const op of lane.ops) {
      const column = Math.min(columns - 1, Math.max(0, Math.floor((start[op] - min) * scale)));
      most = Math.max(most, ++all[column]);
      if (ops.outcome[op] !== OK) bad[column]++;
    }
  }
  for (let column = 0; column < columns; column++) {
    if (!all[column]) continue;
    const height = Math.max(2, all[column] / most * 26), of = bad[column] / all[column] * height;
    pen.fillStyle = colours.ok;
    pen.fillRect(GUTTER + column, MAP - 4 - height, 1, height);
    if (!bad[column]) continue;
    pen.fillStyle = colours.info;
    pen.fillRect(GUTTER + column, MAP - 4 - height, 1, Math.max(2, of));
  }
  pen.fillStyle = colours.bad;
  for (const op of core) {
    const x = place(start[op]);
    pen.fillRect(x - 0.75, 0, 1.5, MAP);
  }
  if (verdict?.at != null) pen.fillRect(place(view.axis.ofTime(verdict.at)) - 0.75, 0, 1.5, MAP);
  pen.font = `11px ${colours.sans}`;
  pen.fillStyle = colours.soft;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  pen.fillText("whole run", GUTTER - 10, MAP / 2);
  pen.textAlign = "left";
};

const mapX = (at) => GUTTER + (at - view.axis.min) / (view.axis.max - view.axis.min) * (minimap.clientWidth - GUTTER);
const mapAxis = (x) => view.axis.min + (x - GUTTER) / (minimap.clientWidth - GUTTER) * (view.axis.max - view.axis.min);

const paintMinimap = () => {
  if (!strip) drawStrip();
  const width = frame.width;
  const pen = sized(minimap, width, MAP);
  pen.drawImage(strip, 0, 0, width, MAP);
  const from = mapX(view.from), to = Math.max(from + 3, mapX(view.to));
  pen.globalAlpha = 0.1;
  pen.fillStyle = colours.ink;
  pen.fillRect(GUTTER, 0, from - GUTTER, MAP);
  pen.fillRect(to, 0, width - to, MAP);
  pen.globalAlpha = 1;
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.5;
  pen.strokeRect(from + 0.75, 0.75, to - from - 1.5, MAP - 1.5);
  if (view.moment >= 0) {
    pen.fillStyle = colours.ink;
    pen.fillRect(mapX(view.axis.ofTime(view.moment)), 0, 1, MAP);
  }
};
