// Curves of several runs in one chart per value: smoothing, hiding of runs, values under the pointer.
"use strict";
(() => {
const { runs, groups } = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
const MARGIN = { left: 46, right: 8, top: 8, bottom: 20 };
const OPEN = ["Evaluation", "Loss"];
const FEW = 30; // points up to which each is marked
const hidden = new Set();
const charts = [];

function h(tag, attributes = {}, ...children) {
  const svg = ["svg", "line", "polyline", "circle", "text", "g"].includes(tag);
  const element = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const style = (index) => ({ stroke: `var(--run${index % 8})`, "stroke-dasharray": DASHES[Math.floor(index / 8) % 4] });
const short = (value, digits = 3) => {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(digits)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(digits)}k`;
  if (size && size < 1e-3) return value.toExponential(digits - 2);
  return String(+value.toPrecision(digits));
};

// The labels of an axis, with as many digits as tell its ticks apart.
function labels(values) {
  for (let digits = 3; digits < 9; digits++) {
    const found = values.map((value) => short(value, digits));
    if (new Set(found).size === found.length) return found;
  }
  return values.map((value) => short(value));
}

// The mean of the values so far with weights that fall by `amount` per point, without a start at zero.
function smooth(values, amount) {
  let sum = 0, weight = 0;
  return values.map((value) => {
    sum = amount * sum + (1 - amount) * value;
    weight = amount * weight + (1 - amount);
    return sum / weight;
  });
}

function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  return found;
}

function swatch(index) {
  return h("svg", { class: "swatch", viewBox: "0 0 26 10", "aria-hidden": "true" },
    h("line", { x1: 0, y1: 5, x2: 26, y2: 5, "stroke-width": 3, ...style(index) }));
}

// The curves of one value that are to be drawn: x, what was measured, and what is drawn as a line.
function curves(name, isTraining) {
  const amount = isTraining ? Number($("smoothing").value) : 0;
  const bySamples = $("axis").value === "samples";
  return runs.flatMap((run, index) => {
    if (hidden.has(index) || !run.series[name]) return [];
    const [steps, raw] = run.series[name];
    const xs = bySamples ? steps.map((step) => step * run.batch) : steps;
    return [{ index, name: run.name, xs, raw, line: amount ? smooth(raw, amount) : raw }];
  });
}

class Chart {
  constructor(name, isTraining) {
    this.name = name;
    this.isTraining = isTraining;
    this.plot = h("svg", { class: "plot", role: "img", tabindex: "0", "aria-label": `Curves of ${name}; the arrow keys read values` });
    this.tip = h("div", { class: "tip" });
    this.tip.hidden = true;
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, name), this.plot, this.tip);
    this.plot.addEventListener("pointermove", (event) => this.pointAt(this.unproject(event.offsetX)));
    this.plot.addEventListener("pointerleave", () => this.leave());
    this.plot.addEventListener("blur", () => this.leave());
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (!width) return; // in a part that is closed
    this.width = width;
    this.drawn = curves(this.name, this.isTraining);
    this.plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.plot.replaceChildren();
    this.leave();
    const xs = this.drawn.flatMap((curve) => [curve.xs[0], curve.xs.at(-1)]);
    const ys = this.drawn.flatMap((curve) => [...curve.line, ...bulk(curve.raw)]);
    if (!ys.length) return;
    this.log = $("log").checked && ys.every((y) => y > 0);
    const scaled = this.log ? ys.map(Math.log10) : ys;
    const [low, high] = widened(extreme(scaled, Math.min), extreme(scaled, Math.max));
    const [first, last] = widened(extreme(xs, Math.min), extreme(xs, Math.max), 0);
    const across = width - MARGIN.left - MARGIN.right, down = height - MARGIN.top - MARGIN.bottom;
    this.x = (value) => MARGIN.left + (across * (value - first)) / (last - first);
    this.unproject = (at) => first + ((at - MARGIN.left) / across) * (last - first);
    this.y = (value) => MARGIN.top + down * (1 - ((this.log ? Math.log10(value) : value) - low) / (high - low));
    this.axes(ticks(low, high, 4), ticks(first, last, Math.max(2, Math.floor(across / 90))), height);
    for (const curve of this.drawn) this.curve(curve);
    this.cross = h("line", { class: "cross", y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: "hidden" });
    this.plot.append(this.cross);
  }

  axes(across, down, height) {
    const values = across.map((tick) => (this.log ? 10 ** tick : tick));
    const texts = labels(values);
    for (const [place, value] of values.entries()) {
      const y = this.y(value);
      this.plot.append(h("line", { class: "grid", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y }),
        h("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, texts[place]));
    }
    const below = labels(down);
    for (const [place, tick] of down.entries()) {
      const x = this.x(tick);
      const anchor = x > this.width - 24 ? "end" : "middle";
      this.plot.append(h("text", { x: anchor === "end" ? this.width : x, y: height - 5, "text-anchor": anchor }, below[place]));
    }
  }

  curve({ index, xs, raw, line }) {
    const points = (values) => xs.map((x, i) => (this.log && values[i] <= 0 ? "" : `${this.x(x).toFixed(1)},${this.y(values[i]).toFixed(1)}`)).join(" ");
    if (line !== raw) this.plot.append(h("polyline", { class: "raw", points: points(raw), ...style(index) }));
    this.plot.append(h("polyline", { points: points(line), ...style(index) }));
    if (xs.length > FEW) return;
    for (const [i, x] of xs.entries()) {
      this.plot.append(h("circle", { cx: this.x(x), cy: this.y(line[i]), r: 2.6, fill: style(index).stroke }));
    }
  }

  // Show the values of every curve at its point nearest to x.
  pointAt(x) {
    if (!this.drawn?.length || !this.cross) return;
    const found = this.drawn.map((curve) => ({ curve, at: nearest(curve.xs, x) }));
    found.sort((a, b) => b.curve.line[b.at] - a.curve.line[a.at]);
    const best = found.reduce((a, b) => (Math.abs(b.curve.xs[b.at] - x) < Math.abs(a.curve.xs[a.at] - x) ? b : a));
    this.at = best.curve.xs[best.at];
    const px = this.x(this.at);
    for (const end of ["x1", "x2"]) this.cross.setAttribute(end, px);
    this.cross.setAttribute("visibility", "visible");
    const rows = found.map(({ curve, at }) => {
      const value = curve.line[at], raw = curve.raw[at];
      const exact = curve.line === curve.raw ? "" : ` (${short(raw)})`;
      const place = curve.xs[at] === this.at ? "" : `at ${curve.xs[at].toLocaleString("en")}`;
      return h("div", {}, swatch(curve.index), h("span", { class: "what" }, curve.name), h("span", { class: "soft" }, place), h("b", {}, `${+value.toPrecision(5)}${exact}`));
    });
    this.tip.replaceChildren(h("div", { class: "soft" }, `${$("axis").value} ${this.at.toLocaleString("en")}`), ...rows);
    this.tip.hidden = false;
    const wide = this.tip.offsetWidth;
    const left = px < this.width / 2 ? px + 10 : px - 10 - wide;
    this.tip.style.left = `${Math.max(0, Math.min(left, this.width - wide))}px`;
  }

  key(event) {
    const ways = { ArrowRight: 1, ArrowLeft: -1 };
    if (event.key === "Escape") return this.leave();
    if (!(event.key in ways) || !this.drawn?.length) return;
    event.preventDefault();
    const all = [...new Set(this.drawn.flatMap((curve) => curve.xs))].sort((a, b) => a - b);
    const now = this.at === undefined ? (ways[event.key] > 0 ? -1 : all.length) : nearest(all, this.at);
    this.pointAt(all[Math.min(Math.max(now + ways[event.key], 0), all.length - 1)]);
  }

  leave() {
    this.tip.hidden = true;
    this.at = undefined;
    this.cross?.setAttribute("visibility", "hidden");
  }
}

// The values without the hundredth at either end, so that a spike does not flatten the chart.
function bulk(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 100);
  return sorted.slice(cut, sorted.length - cut);
}

const extreme = (values, choose) => values.reduce((a, b) => choose(a, b));

function widened(low, high, share = 0.04) {
  if (low === high) return [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const room = share * (high - low);
  return [low - room, high + room];
}

function nearest(sorted, x) {
  let low = 0, high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < x) low = middle; else high = middle;
  }
  return x - sorted[low] <= sorted[high] - x ? low : high;
}

const redraw = () => { for (const chart of charts) chart.draw(); };

for (const [index, run] of runs.entries()) {
  const button = h("button", { type: "button", "aria-pressed": "true" }, swatch(index), run.name);
  button.addEventListener("click", () => {
    if (!hidden.delete(index)) hidden.add(index);
    button.setAttribute("aria-pressed", String(!hidden.has(index)));
    redraw();
  });
  $("legend").append(h("li", {}, button));
}
for (const { title, names } of groups) {
  const made = names.map((name) => new Chart(name, title !== "Evaluation"));
  charts.push(...made);
  const part = h("details", { class: "part" }, h("summary", {}, `${title} (${names.length})`), h("div", { class: "charts" }, ...made.map((chart) => chart.element)));
  part.open = OPEN.includes(title);
  $("parts").append(part);
}
$("axis-label").hidden = !runs.every((run) => run.batch);
$("smoothing").addEventListener("input", () => { $("amount").textContent = Number($("smoothing").value).toFixed(2); redraw(); });
for (const id of ["axis", "log"]) $(id).addEventListener("change", redraw);
$("controls").hidden = !charts.length;
})();
