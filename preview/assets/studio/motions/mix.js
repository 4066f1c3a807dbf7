// The weighted mix of motions that a job draws from.

import { $, h, number } from "../dom.js";
import { changed, chosen, currentMotion, known, listen } from "./state.js";

export function startMix() {
  for (const mode of ["one", "mix"]) $(`mode-${mode}`).addEventListener("change", () => { chosen.mode = mode; changed(null); });
  $("mix-add").addEventListener("click", () => { chosen.mix.push({ ...currentMotion(), weight: 1 }); changed(null); });
  $("mix-default").addEventListener("click", () => { chosen.mix = structuredClone(known.defaultMix); chosen.mode = "mix"; changed(null); });
  listen((what) => { if (!what?.startsWith("weight")) show(); });
}

function show() {
  if ($("mix").contains(document.activeElement)) $("mix-add").focus();
  $("mix").replaceChildren(...chosen.mix.map(entryRow));
  $("mode-mix").disabled = !chosen.mix.length;
  if (!chosen.mix.length) chosen.mode = "one";
  $(`mode-${chosen.mode}`).checked = true;
  $("mix-empty").hidden = chosen.mix.length > 0;
}

function entryRow(entry, index) {
  const rest = Object.entries(entry).filter(([name]) => name !== "name" && name !== "weight")
    .map(([name, value]) => ` ${name}=${Array.isArray(value) ? `[${value.join(", ")}]` : value}`);
  const shown = h("span", { class: "number" }, number(entry.weight ?? 1));
  const weight = h("input", { type: "range", min: 0, max: 10, step: 0.1, value: entry.weight ?? 1, "aria-label": `weight of ${entry.name}` });
  weight.addEventListener("input", () => { entry.weight = Number(weight.value); shown.textContent = number(entry.weight); changed(`weight-${index}`); });
  const remove = h("button", { "aria-label": `Remove ${entry.name} from the mix`, onclick: () => { chosen.mix.splice(index, 1); changed(null); } }, "×");
  return h("div", { class: "entry" }, h("code", {}, entry.name, ...rest), weight, shown, remove);
}
