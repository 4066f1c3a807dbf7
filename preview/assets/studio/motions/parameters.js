// One motion or a composition, and a row for each of its parameters.

import { $, h } from "../dom.js";
import { wrong, right } from "../notices.js";
import { slider } from "./slider.js";
import { changed, chosen, known, labels, listen, motionText } from "./state.js";

const TIMING = ["easing", "speed", "hold_start", "hold_end"];
const JOINS = [["+", "+ at once with"], [">", "> followed by"], ["|", "| cut to"]];
const FREE_TEXT = "\0";
let rows = new Map();
let shown = null;

export function startParameters() {
  listen(() => {
    if (shown !== motionText()) build();
    for (const row of rows.values()) row.refresh();
  });
}

// Shows the values that were drawn, in the rows whose value is free.
export function showDrawn(values) {
  for (const [name, value] of Object.entries(values)) {
    const row = rows.get(name) ?? (TIMING.includes(name.split(".").pop()) ? null : rows.get(name.split(".").pop()));
    row?.drawn(value);
  }
}

export const parameterOf = (motion, name) => known.motions.get(motion)?.parameters.find((one) => one.name === name);
export const isTiming = (name) => TIMING.includes(name.split(".").pop());

function build() {
  shown = motionText();
  const others = [...known.motions.keys()].filter((name) => name !== "static");
  const add = h("select", { "aria-label": "Combine with another motion", onchange: () => setParts([...chosen.parts, { name: add.value, join: "+" }]) },
    h("option", { value: "" }, "+ combine with"), others.map((name) => h("option", {}, name)));
  const focused = $("parts").contains(document.activeElement);
  $("parts").replaceChildren(...chosen.parts.flatMap(partChip), add);
  if (focused) add.focus();
  $("motion-help").textContent = [...new Set(chosen.parts.map(({ name }) => known.motions.get(name).help))].join(" ");
  rows = new Map();
  const found = [];
  for (const [index, label] of labels().entries()) {
    for (const parameter of known.motions.get(chosen.parts[index].name).parameters) {
      const timing = TIMING.includes(parameter.name);
      const name = timing || chosen.parts.length === 1 ? parameter.name : `${label}.${parameter.name}`;
      if (rows.has(name)) continue;
      if (!fits(chosen.fixed[name], parameter)) delete chosen.fixed[name];
      const row = parameterRow(name, parameter);
      rows.set(name, row);
      found.push([timing, row.element]);
    }
  }
  for (const name of Object.keys(chosen.fixed)) if (!rows.has(name) && !isTiming(name)) delete chosen.fixed[name];
  $("parameters").replaceChildren(...found.sort((a, b) => a[0] - b[0]).map((row) => row[1]));
  $("no-parameters").hidden = rows.size > 0;
}

// An address or a preset may hold values that the motion does not take. The server checks them again.
function fits(value, { low, high, choices, also }) {
  if (Array.isArray(value)) return value.length > 0 && value.every((one) => fits(one, { low, high, choices, also }));
  if (choices.length) return choices.includes(value) || (Boolean(also) && typeof value === "string");
  return typeof value === "number" && value >= low && value <= high;
}

function setParts(parts) {
  const before = labels();
  chosen.parts = parts.map((part, index) => (index ? part : { ...part, join: "" }));
  // a parameter is named with its motion in a composition, and without in a single motion
  const single = parts.length === 1;
  const fixed = Object.entries(chosen.fixed).map(([name, value]) => [single ? name.split(".").pop() : name.includes(".") || isTiming(name) ? name : `${before[0]}.${name}`, value]);
  chosen.fixed = Object.fromEntries(fixed);
  chosen.mode = "one";
  changed(null);
}

function partChip({ name, join }, index) {
  const remove = h("button", { "aria-label": `Remove ${name}`, onclick: () => setParts(chosen.parts.filter((part, at) => at !== index)) }, "×");
  const chip = h("span", { class: "chip" }, name, chosen.parts.length > 1 ? remove : null);
  if (!index) return [chip];
  const joint = h("select", { class: "joint", "aria-label": `How ${name} joins`, onchange: () => setParts(chosen.parts.map((part, at) => (at === index ? { ...part, join: joint.value } : part))) },
    JOINS.map(([value, text]) => h("option", { value, selected: value === join }, text)));
  return [joint, chip];
}

function parameterRow(name, parameter) {
  const drawnFrom = Array.isArray(parameter.default) ? parameter.default : [parameter.default];
  const row = parameter.choices.length ? choiceRow(name, parameter) : sliderRow(name, parameter);
  const back = h("button", { class: "draw", title: "back to the default", "aria-label": `${name}: back to the default`, onclick: () => { delete chosen.fixed[name]; changed(null); } });
  const from = h("span", { class: "help" });
  const element = h("div", { class: "parameter", "data-row": true },
    h("div", { class: "head" }, h("label", { for: `p-${name}` }, name), h("span", { class: "help" }, parameter.help), from),
    h("div", { class: "turn" }, ...row.inputs, back), row.ends);
  let drawn = null;
  const refresh = () => {
    const value = chosen.fixed[name];
    const free = value === undefined;
    element.classList.toggle("auto", free);
    back.disabled = free;
    back.textContent = free ? (drawnFrom.length > 1 ? "drawn" : "default") : "reset";
    from.textContent = Array.isArray(value) ? `drawn from ${value.join(", ")}` : "";
    row.set(free || Array.isArray(value) ? (drawn ?? drawnFrom[0]) : value);
  };
  return { element, refresh, drawn: (value) => { drawn = value; if (typeof (chosen.fixed[name] ?? []) === "object") row.set(value); } };
}

function fix(name, value) {
  chosen.fixed[name] = value;
  chosen.mode = "one";
  changed(`p-${name}`);
}

function sliderRow(name, { low, high, log, unit }) {
  const made = slider({ sliderId: `p-${name}`, boxId: `p-${name}-box`, name, low, high, log, unit: unit || "units" }, (value) => fix(name, value));
  return { inputs: [made.range, made.box], ends: made.ends, set: made.set };
}

function choiceRow(name, { choices, also }) {
  const text = h("input", { type: "text", id: `p-${name}-text`, hidden: true, maxlength: 80, "aria-label": `${name}, ${also}`, placeholder: also, "data-field": name });
  const select = h("select", { id: `p-${name}` }, choices.map((choice) => h("option", {}, choice)), also ? h("option", { value: FREE_TEXT }, `${also.split("(")[0]}(…)`) : null);
  select.addEventListener("change", () => {
    text.hidden = select.value !== FREE_TEXT;
    if (text.hidden) return fix(name, select.value);
    text.value ||= "bezier(0.25,0.1,0.25,1)";
    text.focus();
    fix(name, text.value);
  });
  text.addEventListener("change", () => {
    if (!text.value.trim()) return wrong(text, `${name}: write ${also}`);
    right(text);
    fix(name, text.value.trim());
  });
  const set = (value) => {
    const own = !choices.includes(value);
    select.value = own ? FREE_TEXT : value;
    text.hidden = !own;
    if (own) text.value = value;
  };
  return { inputs: [select, text], ends: null, set };
}
