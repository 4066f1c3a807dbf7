// The shape of the clip and its seed, within the limits of the job.

import { $, h } from "../dom.js";
import { slider } from "./slider.js";
import { changed, chosen, known, listen } from "./state.js";

const LABELS = { seed: "Seed", frames: "Frames", fps: "Frames per second", width: "Width (px)", height: "Height (px)" };
const rows = new Map();

export function startSettings() {
  for (const [name, label] of Object.entries(LABELS)) $("settings").append(row(name, label));
  $("focus").addEventListener("change", () => { chosen.focus = $("focus").checked; changed("focus"); });
  listen(show);
}

function row(name, label) {
  const { low, high, whole, sliding } = known.limits[name];
  const made = slider({ sliderId: `s-${name}-slider`, boxId: `s-${name}`, name, low, high, sliding, whole, log: name !== "seed", step: whole ? 1 : "any" },
    (value) => { chosen.settings[name] = value; changed(`s-${name}`); });
  rows.set(name, made);
  const heading = h("label", { for: `s-${name}` }, label);
  made.box.setAttribute("aria-label", label);
  made.range.setAttribute("aria-label", label);
  if (name === "seed") {
    const another = h("button", { onclick: () => { chosen.settings.seed = Math.floor(Math.random() * 1e6); changed("s-seed"); } }, "Another");
    return h("div", { class: "setting seed", "data-row": true }, heading, made.box, another, h("span", { class: "soft" }, "each seed gives another draw"));
  }
  return h("div", { class: "setting", "data-row": true }, heading, made.range, made.box);
}

function show() {
  for (const [name, made] of rows) if (made.box !== document.activeElement || Number(made.box.value) !== chosen.settings[name]) made.set(chosen.settings[name]);
  $("focus").checked = chosen.focus;
}
