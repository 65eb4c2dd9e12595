// On the timeline: a lane a server, with its role, its term, and its commit index below.

const paintServers = (pen) => {
  if (!servers.length) return;
  pen.save();
  pen.beginPath();
  pen.rect(0, frame.servers - 1, frame.width, servers.length * SERVER + PAD);
  pen.clip();
  // Commit indexes rise from the least to the greatest that the window shows: so a lag is seen.
  const within = servers.flatMap((server) => [serverAt(server, view.axis.toTime(view.from)), serverAt(server, view.axis.toTime(view.to))]);
  const commits = within.filter((change) => change && change.role > 0).map((change) => change.commit);
  const least = commits.length ? Math.min(...commits) : 0, most = Math.max(least + 1, ...commits);
  servers.forEach((server, row) => {
    const y = frame.servers + row * SERVER, { changes } = server;
    let i = Math.max(0, countBelow(server.at, view.axis.toTime(view.from) + 0.5) - 1);
    let textEnd = GUTTER;
    pen.strokeStyle = colours.soft;
    pen.lineWidth = 1;
    const line = [];
    while (i < changes.length) {
      const change = changes[i];
      const at = view.axis.ofTime(change.at);
      if (at > view.to) break;
      const x = Math.max(GUTTER, Math.round(toX(at)));
      // What one pixel hides is shown by its most telling role.
      let next = i + 1, role = change.role;
      const beyond = view.axis.toTime(toAxis(x + 1));
      while (next < changes.length && changes[next].at <= beyond) role = Math.max(role, changes[next++].role);
      const shownRole = next > i + 1 ? role : change.role;
      const end = next < changes.length ? Math.min(frame.width, Math.round(toX(view.axis.ofTime(changes[next].at)))) : frame.width;
      const last = changes[next - 1];
      const paint = (as, from, to) => {
        pen.fillStyle = ROLES[as] === "down" ? pattern("other", colours.soft) : colours[ROLES[as]];
        pen.fillRect(from, y + 2, Math.max(1, to - from), 14);
      };
      paint(shownRole, x, x + 1);
      // Behind that pixel it is what it has become.
      if (end > x + 1) paint(last.role, x + 1, end);
      const name = ROLES[end > x + 1 ? last.role : shownRole];
      const words = name === "down" ? "down" : `${name === "leader" ? "leads " : name === "candidate" ? "candidate " : ""}${last.term}`;
      if (x >= textEnd) {
        let until = next;
        while (until < changes.length && changes[until].role === last.role && changes[until].term === last.term) until++;
        const space = (until < changes.length ? Math.min(frame.width, toX(view.axis.ofTime(changes[until].at))) : frame.width) - x;
        const short = [words, String(last.term)].find((some) => space > some.length * charWidth + 8);
        if (short) line.push([short, x + 4, y + 9.5, name]);
        textEnd = Math.max(end, x + space);
      }
      if (name !== "down") {
        const height = 1 + Math.round(Math.max(0, Math.min(1, (last.commit - least) / (most - least))) * 8);
        pen.fillStyle = colours.soft;
        pen.globalAlpha = 0.45;
        pen.fillRect(x, y + 27 - height, Math.max(1, end - x), height);
        // What is applied stands before what is committed.
        const done = 1 + Math.round(Math.max(0, Math.min(1, (last.applied - least) / (most - least))) * 8);
        pen.globalAlpha = 0.9;
        pen.fillRect(x, y + 27 - done, Math.max(1, end - x), done);
        pen.globalAlpha = 1;
      }
      i = next;
    }
    for (const [words, x, textY, name] of line) {
      if (name === "down") {
        if (words !== "down") continue;
        pen.fillStyle = colours.paper;
        pen.fillRect(x - 1, y + 3, words.length * charWidth + 4, 12);
      }
      pen.fillStyle = name === "follower" || name === "down" ? colours.ink : name === "candidate" ? "#1d1e20" : colours.paper;
      pen.fillText(words, x, textY);
    }
    // Below the lane's words, before the commit index.
    for (const mark of server.marks) paintMark(pen, mark, toX(view.axis.ofTime(mark.at)), y + 21);
    pen.fillStyle = colours.paper;
    pen.fillRect(0, y, GUTTER - 1, SERVER);
    gutterText(pen, server.name, y + 9, colours.ink);
    pen.font = `9px ${colours.sans}`;
    pen.fillStyle = colours.soft;
    pen.textAlign = "right";
    pen.fillText("commit", GUTTER - 10, y + 23);
    pen.textAlign = "left";
    pen.font = `11px ${colours.mono}`;
  });
  pen.restore();
};

// Moments by their shape: a disk for a state written down, an arrow for one taken over, a square for members.
const paintMark = (pen, { kind }, x, y) => {
  if (x < GUTTER || x > frame.width) return;
  pen.fillStyle = colours.paper;
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.5;
  pen.beginPath();
  if (kind === "snapshot") pen.arc(x, y, 4.5, 0, 7);
  else if (kind === "restore") {
    pen.moveTo(x - 5, y - 4);
    pen.lineTo(x + 5, y - 4);
    pen.lineTo(x, y + 5);
    pen.closePath();
  } else pen.rect(x - 4, y - 4, 8, 8);
  pen.fill();
  pen.stroke();
};
const markAt = (server, x) => server.marks.findLast((mark) => Math.abs(toX(view.axis.ofTime(mark.at)) - x) <= 6);
