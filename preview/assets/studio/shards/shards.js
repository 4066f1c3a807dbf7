// The Shards tab: filter, sort and page through the clips of an output.

import { later } from "../ask.js";
import { $, h, options } from "../dom.js";
import { startSample } from "../sample.js";
import { load, startGrid } from "./grid.js";
import { showOverview, startOverview } from "./overview.js";
import { MEASURES, ask, asked, listen, startState } from "./state.js";
import { startTags } from "./tags.js";

let visible = false;
let overviewOf = null;

export function startShards({ outputs }) {
  options($("output"), outputs.map((uri, index) => [String(index), uri]), "0");
  $("output-row").hidden = outputs.length < 2;
  $("no-output").hidden = outputs.length > 0;
  for (const one of document.querySelectorAll("#shards .with-output")) one.hidden = !outputs.length;
  $("sort").append(h("option", { value: "random" }, "at random"), ...Object.entries(MEASURES).flatMap(([name, text]) => [
    h("option", { value: `-${name}` }, `${text}, largest first`), h("option", { value: name }, `${text}, smallest first`)]));
  $("output").addEventListener("change", () => ask({ output: $("output").value === "0" ? "" : $("output").value, motion: "", source: "", ranges: {}, tagged: "" }, "output"));
  $("filter").addEventListener("submit", (event) => { event.preventDefault(); ask({ caption: $("f-caption").value }); });
  for (const name of ["motion", "source"]) $(`f-${name}`).addEventListener("change", () => ask({ [name]: $(`f-${name}`).value }));
  $("sort").addEventListener("change", () => ask({ sort: $("sort").value }));
  startState();
  startSample();
  startTags(outputs);
  startGrid();
  startOverview();
  const soon = later(show, 0);
  listen(() => { if (visible) soon(); });
  document.addEventListener("tab", (event) => { visible = event.detail === "shards" && outputs.length > 0; if (visible) soon(); });
}

function show() {
  $("output").value = asked.output || "0";
  $("f-caption").value = asked.caption;
  $("f-motion").value = asked.motion;
  if ($("f-motion").selectedIndex < 0) $("f-motion").value = "";
  $("f-source").value = asked.source;
  $("sort").value = asked.sort;
  showChips();
  if (overviewOf !== asked.output) {
    overviewOf = asked.output;
    $("overview").textContent = "Reading…";
    showOverview();
  }
  load();
}

function showChips() {
  const chips = [];
  const chip = (text, less) => chips.push(h("span", { class: "chip" }, text, h("button", { "aria-label": `Remove the filter ${text}`, onclick: () => ask(less) }, "×")));
  if (asked.caption) chip(`caption contains ${asked.caption}`, { caption: "" });
  if (asked.motion) chip(asked.motion.startsWith("=") ? `motion is ${asked.motion.slice(1)} alone` : `motion ${asked.motion}`, { motion: "" });
  if (asked.source) chip(`source ${asked.source}`, { source: "" });
  for (const [name, range] of Object.entries(asked.ranges)) {
    const { [name]: _, ...others } = asked.ranges;
    chip(`${MEASURES[name]} ${inWords(range)}`, { ranges: others });
  }
  if (chips.length > 1) chips.push(h("button", { onclick: () => ask({ caption: "", motion: "", source: "", ranges: {} }) }, "Remove all"));
  const focused = $("chips").contains(document.activeElement);
  $("chips").replaceChildren(...chips);
  if (focused) ($("chips").querySelector("button") ?? $("sort")).focus();
}

function inWords(range) {
  const [low, high] = range.split(":");
  if (!low) return `below ${high}`;
  return high ? `${low} to ${high}` : `from ${low}`;
}
