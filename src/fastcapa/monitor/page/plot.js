// Plots of the last fifteen minutes: lines over time, their values now in the legend, at the pointer when it is there.
import {element, svg} from "./format.js";

// As much of the fifteen minutes as there is, rounded up to one of these.
const SPANS_S = [120, 300, 900];
const SIZE = {width: 560, height: 150, left: 46, right: 6, top: 8, bottom: 20};
// A longer silence is a gap in the line.
const GAP_S = 5;

// The smallest of 1, 2, 5 times a power of ten that is not below the value.
export function nice(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

export class Plot {
  // series: {name, colour (a class), get(point) -> number or null}; show(number) -> text, on the axis label(number);
  // most: of the axis, if fixed; quiet: said when no series has anything but 0, instead of naming them all.
  constructor(title, series, {show, label = show, most, quiet}) {
    this.all = this.series = series;
    this.show = show;
    this.label = label;
    this.most = most;
    this.quiet = quiet;
    this.pointer = null;
    this.points = [];
    this.canvas = svg("svg", {role: "img", "aria-label": title});
    this.legend = element("ul", "legend");
    this.root = element("section", "plot", element("h2", "", title), this.legend, this.canvas);
    this.canvas.addEventListener("pointermove", (event) => {
      this.pointer = event.offsetX;
      this.draw(this.points);
    });
    this.canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.draw(this.points);
    });
  }

  draw(points) {
    this.points = points;
    if (this.quiet) this.series = this.all.filter((one) => points.some((point) => one.get(point) > 0));
    const width = this.canvas.clientWidth || SIZE.width;
    const end = points.length ? points[points.length - 1].time : Date.now() / 1000;
    const age = points.length ? end - points[0].time : 0;
    const span = SPANS_S.find((one) => one >= age) ?? SPANS_S[SPANS_S.length - 1];
    const inner = width - SIZE.left - SIZE.right;
    const values = points.flatMap((point) => this.series.map((one) => one.get(point) ?? 0));
    const top = this.most ?? nice(Math.max(0, ...values));
    const x = (time) => SIZE.left + (1 - (end - time) / span) * inner;
    const y = (value) => SIZE.height - SIZE.bottom - (value / top) * (SIZE.height - SIZE.top - SIZE.bottom);
    this.canvas.setAttribute("viewBox", `0 0 ${width} ${SIZE.height}`);
    this.canvas.replaceChildren(...this.axes(x, y, end, span, top, width),
      ...this.series.map((one) => svg("path", {class: one.colour, d: this.path(points, one, x, y)})));
    const shown = this.at(points, end, span, inner);
    if (shown && this.pointer !== null)
      this.canvas.append(svg("line", {class: "cursor", x1: x(shown.time), x2: x(shown.time), y1: SIZE.top,
        y2: SIZE.height - SIZE.bottom}));
    if (this.quiet && !this.series.length) return this.legend.replaceChildren(element("li", "", element("span", "", this.quiet)));
    return this.legend.replaceChildren(...this.series.map((one) => {
      const value = shown ? one.get(shown) : null;
      return element("li", one.colour, element("i"), element("span", "", `${one.name} `),
        element("b", "", value === null || value === undefined ? "–" : this.show(value)));
    }));
  }

  // The point under the pointer, or the last one.
  at(points, end, span, inner) {
    if (this.pointer === null) return points[points.length - 1];
    const time = end - (1 - (this.pointer - SIZE.left) / inner) * span;
    return points.reduce((best, point) => (best && Math.abs(best.time - time) <= Math.abs(point.time - time) ? best : point), null);
  }

  axes(x, y, end, span, top, width) {
    const parts = [];
    for (const value of [0, top / 2, top]) {
      parts.push(svg("line", {class: "grid", x1: SIZE.left, x2: width - SIZE.right, y1: y(value), y2: y(value)}));
      parts.push(svg("text", {x: SIZE.left - 7, y: y(value) + 4, "text-anchor": "end"}, this.label(value)));
    }
    const steps = span === 120 ? 4 : 3;
    for (let step = 0; step <= steps; step += 1) {
      const seconds = (span * step) / steps;
      const text = seconds === 0 ? "now" : seconds % 60 ? `−${seconds} s` : `−${seconds / 60} min`;
      const anchor = step === steps ? "start" : step ? "middle" : "end";
      parts.push(svg("text", {x: x(end - seconds), y: SIZE.height - 4, "text-anchor": anchor}, text));
    }
    return parts;
  }

  path(points, one, x, y) {
    let d = "";
    let last = null;
    for (const point of points) {
      const value = one.get(point);
      if (value === null || value === undefined) continue;
      const joined = last !== null && point.time - last <= GAP_S;
      d += `${joined ? "L" : "M"}${x(point.time).toFixed(1)} ${y(value).toFixed(1)}`;
      last = point.time;
    }
    return d;
  }
}
