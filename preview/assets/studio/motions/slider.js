// A slider and a number box for one value. The box refuses what is outside the limits, and says so below itself.

import { h, number } from "../dom.js";
import { right, wrong } from "../notices.js";

const STEPS = 1000;

// `low` and `high` are the limits; `sliding` is the slider's own low end where `low` itself cannot be reached.
export function slider({ sliderId, boxId, name, low, high, sliding = low, unit = "", log = false, whole = false, step = "any" }, onvalue) {
  const toValue = (place) => (log ? sliding * (high / sliding) ** (place / STEPS) : sliding + ((high - sliding) * place) / STEPS);
  const toPlace = (value) => STEPS * (log ? Math.log(Math.max(value, sliding) / sliding) / Math.log(high / sliding) : (value - sliding) / (high - sliding));
  const range = h("input", { type: "range", id: sliderId, min: 0, max: STEPS, step: 1, "aria-label": name, "aria-describedby": `${sliderId}-ends` });
  const box = h("input", { type: "number", id: boxId, min: low, max: high, step, "aria-label": unit ? `${name} (${unit})` : name, "data-field": name });
  const spoken = (value) => range.setAttribute("aria-valuetext", `${number(value)} ${unit}`.trim());
  range.addEventListener("input", () => {
    const rough = toValue(Number(range.value));
    const value = Math.min(Math.max(whole ? Math.round(rough) : Number(rough.toPrecision(3)), low), high);
    box.value = value;
    spoken(value);
    right(box);
    onvalue(value);
  });
  box.addEventListener("change", () => {
    const value = Number(box.value);
    const reason = refuse(value, box.value, { name, low, high, unit, whole });
    if (reason) return wrong(box, reason);
    right(box);
    range.value = toPlace(value);
    spoken(value);
    onvalue(value);
  });
  const set = (value) => {
    range.value = toPlace(value);
    box.value = whole ? value : Number(Number(value).toPrecision(4));
    spoken(value);
    if (box.dataset.wrong === "page") right(box);
  };
  const ends = h("div", { class: "ends", id: `${sliderId}-ends` }, h("span", {}, number(sliding)), h("span", {}, `${number(high, 4)} ${unit}`.trim()));
  return { range, box, ends, set };
}

function refuse(value, text, { name, low, high, unit, whole }) {
  const allowed = `${number(low)} to ${number(high, 17)} ${unit}`.trim();
  if (text === "" || !(value >= low && value <= high)) return `${name} = ${text || "nothing"}: it must be ${allowed}`;
  if (whole && !Number.isInteger(value)) return `${name} = ${text}: it must be a whole number, ${allowed}`;
  return "";
}
