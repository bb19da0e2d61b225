// The pipeline as a picture: a box for each hop, pipes as wide as the traffic in them, and what is lost falls out of the
// hop that loses it. Wide windows get it from left to right, narrow ones from top to bottom.
import {count, percent, rate, svg} from "./format.js";

const TITLES = {source: "Source", rx: "Rx workers", ring: "Tx rings", tx: "Tx workers", kafka: "Kafka"};
const WAITING = {ring: "queued", tx: "held", kafka: "in flight"};
export const CAUSES = {
  missed: "missed by the source", errors: "damaged", no_mbuf: "no packet buffer",
  ring_full_drops: "ring full", refused: "too large", failed: "failed",
};
const BOX = {width: 192, height: 116};
const GAP = {wide: 48, narrow: 40};
const PIPE_MAX = 14;

const level = (share) => (share >= 0.95 ? "loss" : share >= 0.8 ? "warn" : "");

// Pipes grow with the order of magnitude: what is a thousand times less is still seen.
function thickness(perSecond, most) {
  if (perSecond <= 0) return 1.5;
  return Math.max(2.5, PIPE_MAX * (1 - Math.min(4, Math.log10(Math.max(1, most / perSecond))) / 5));
}

function bar(x, y, width, share, label, kind) {
  const filled = Math.max(0, Math.min(1, share)) * width;
  return [
    svg("text", {x, y: y - 6, class: "quiet"}, label),
    svg("text", {x: x + width, y: y - 6, "text-anchor": "end", class: "quiet"}, percent(share)),
    svg("rect", {x, y, width, height: 7, rx: 3.5, class: "track"}),
    svg("rect", {x, y, width: filled, height: 7, rx: 3.5, class: `bar ${kind}`}),
  ];
}

function box(hop, x, y, finding) {
  const parts = [svg("rect", {x, y, width: BOX.width, height: BOX.height, rx: 9,
    class: `box ${finding ? (finding.loss ? "loss" : "warn") : ""}`})];
  const left = x + 14;
  const right = x + BOX.width - 14;
  parts.push(svg("text", {x: left, y: y + 25, class: "name"}, TITLES[hop.name]));
  parts.push(svg("text", {x: left, y: y + 51, class: "rate"}, rate(hop.out_rate)));
  if (hop.name in WAITING)
    parts.push(svg("text", {x: right, y: y + 25, "text-anchor": "end", class: "quiet"},
      `${count(hop.waiting)} ${WAITING[hop.name]}`));
  if (hop.load !== null) parts.push(...bar(left, y + 88, right - left, hop.load, "busy", ""));
  else if (hop.fill !== null)
    parts.push(...bar(left, y + 88, right - left, hop.fill, hop.name === "ring" ? "fill" : "buffer", level(hop.fill)));
  else parts.push(svg("text", {x: left, y: y + 92, class: "quiet"}, `${count(hop.packets_in)} packets`));
  if (finding) {
    const text = finding.loss ? "bottleneck" : "nearly full";
    parts.push(svg("rect", {x: right - 82, y: y - 11, width: 88, height: 21, rx: 10.5,
      class: `tag-back ${finding.loss ? "loss" : "warn"}`}));
    parts.push(svg("text", {x: right - 38, y: y + 4, "text-anchor": "middle", class: "tag"}, text));
  }
  return parts;
}

// A line per cause that has ever lost a packet; those that lose some now are louder.
function falls(hop) {
  return hop.losses.filter((loss) => loss.packets > 0).map((loss) => ({
    past: loss.rate <= 0,
    text: loss.rate > 0 ? `${CAUSES[loss.cause]} −${rate(loss.rate)}` : `${CAUSES[loss.cause]}, not now`,
    total: `${count(loss.packets)} lost`,
  }));
}

function arrow(x1, y1, x2, y2, perSecond, most) {
  const idle = perSecond > 0 ? "" : "idle";
  const width = thickness(perSecond, most);
  const down = x1 === x2;
  const head = Math.max(6, width * 0.9);
  const tip = down ? `${x2},${y2} ${x2 - head},${y2 - head} ${x2 + head},${y2 - head}`
    : `${x2},${y2} ${x2 - head},${y2 - head} ${x2 - head},${y2 + head}`;
  return [
    svg("line", {x1, y1, x2: down ? x2 : x2 - head + 1, y2: down ? y2 - head + 1 : y2, "stroke-width": width,
      class: `pipe ${idle}`}),
    svg("polygon", {points: tip, class: `head ${idle}`}),
  ];
}

// The text of each loss at (x, y) and below, and the way there from the box: down from `from`, or to the right.
function loss(hop, x, y, from) {
  const parts = [];
  const lost = falls(hop);
  let line = y;
  for (const fall of lost) {
    const past = fall.past ? "past" : "";
    parts.push(svg("text", {x, y: line, class: `lost ${past}`}, fall.text));
    parts.push(svg("text", {x, y: line + 17, class: "quiet"}, fall.total));
    line += 40;
  }
  if (lost.length) {
    const d = from.x === undefined ? `M${x - 9} ${from.y} V${line - 28}` : `M${from.x} ${y - 5} H${x - 6}`;
    parts.unshift(svg("path", {d, "stroke-width": 3, class: `fall ${lost.every((fall) => fall.past) ? "past" : ""}`}));
  }
  return parts;
}

export function picture(view, wide) {
  const most = Math.max(1, ...view.hops.map((hop) => Math.max(hop.in_rate, hop.out_rate)));
  const rows = Math.max(1, ...view.hops.map((hop) => falls(hop).length));
  const parts = [];
  view.hops.forEach((hop, index) => {
    const finding = view.findings.find((one) => one.hop === hop.name);
    if (wide) {
      const gap = GAP.wide;
      const x = 2 + index * (BOX.width + gap);
      parts.push(...box(hop, x, 14, finding));
      if (index > 0) parts.push(...arrow(x - gap + 4, 14 + BOX.height / 2, x - 4, 14 + BOX.height / 2, hop.in_rate, most));
      parts.push(...loss(hop, x + 29, 14 + BOX.height + 34, {y: 14 + BOX.height + 4}));
    } else {
      const gap = GAP.narrow;
      const y = 14 + index * (BOX.height + gap);
      parts.push(...box(hop, 2, y, finding));
      if (index > 0) parts.push(...arrow(44, y - gap + 4, 44, y - 4, hop.in_rate, most));
      parts.push(...loss(hop, BOX.width + 32, y + 40, {x: BOX.width + 4}));
    }
  });
  const size = wide ? [5 * BOX.width + 4 * GAP.wide + 4, BOX.height + 30 + rows * 40 + 8]
    : [BOX.width + 200, 5 * BOX.height + 4 * GAP.narrow + 28];
  const made = svg("svg", {viewBox: `0 0 ${size[0]} ${size[1]}`, role: "img",
    "aria-label": "The pipeline from the source to Kafka"});
  made.append(...parts);
  return made;
}
