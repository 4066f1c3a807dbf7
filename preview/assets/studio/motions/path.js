// The camera's path over the still, and zoom, position and angle over time.

import { $, h, number } from "../dom.js";

const CURVES = [
  { title: "Zoom (x)", names: ["zoom"], span: 0.1 },
  { title: "Position x (of the width)", names: ["x"], span: 0.1 },
  { title: "Position y (of the height)", names: ["y"], span: 0.1 },
  { title: "Angle (degrees)", names: ["angle"], span: 2 },
  { title: "Keystone (long / short side)", names: ["keystone"], span: 0.05, only: (values) => Math.max(...values) > 1.001 },
];
const STOPS = [[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]];
const OUTLINES = 24;

function timeColour(progress) {
  const at = progress * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  return `rgb(${STOPS[low].map((value, i) => Math.round(value + (at - low) * (STOPS[low + 1][i] - value))).join(" ")})`;
}

const corners = (quad) => quad.map((point) => point.join(",")).join(" ");

export function showPath({ quads }) {
  const last = quads.length - 1;
  const step = Math.max(1, Math.ceil(quads.length / OUTLINES));
  const outlines = quads.map((quad, t) => (t % step && t !== last ? null
    : h("polygon", { points: corners(quad), stroke: timeColour(last ? t / last : 0), class: t === 0 || t === last ? "end" : "" })));
  $("path").querySelector("svg").replaceChildren(...outlines.filter(Boolean), h("polygon", { class: "now", points: "" }));
}

export function showCurves({ curves, quads }, fps) {
  const seconds = number(quads.length / fps);
  $("curves").replaceChildren(...CURVES.filter(({ only, names }) => !only || only(curves[names[0]])).map(({ title, names, span }) => {
    const values = curves[names[0]];
    const middle = (Math.max(...values) + Math.min(...values)) / 2;
    const half = Math.max(Math.max(...values) - middle, span / 2) * 1.15;
    const place = (value, t) => `${values.length > 1 ? (100 * t) / (values.length - 1) : 50},${50 - (45 * (value - middle)) / half}`;
    const said = `${title}: from ${number(values[0])} to ${number(values.at(-1))} in ${seconds} seconds`;
    return h("figure", {}, h("figcaption", {}, title, h("span", { "data-curve": names[0] })),
      h("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": said },
        h("polyline", { points: values.map(place).join(" ") }), h("line", { y1: 0, y2: 100, x1: 0, x2: 0 })));
  }));
}

export function showMoment({ curves, quads }, index) {
  if (index >= quads.length) return;
  $("path").querySelector(".now")?.setAttribute("points", corners(quads[index]));
  const x = quads.length > 1 ? (100 * index) / (quads.length - 1) : 50;
  for (const line of $("curves").querySelectorAll("line")) { line.setAttribute("x1", x); line.setAttribute("x2", x); }
  for (const label of $("curves").querySelectorAll("[data-curve]")) label.textContent = number(curves[label.dataset.curve][index]);
}
