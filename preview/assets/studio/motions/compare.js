// Two clips of the picture side by side: what is chosen now, and one that is pinned.

import { $, h } from "../dom.js";
import { apply, changed, chosen, known, listen, request } from "./state.js";

export function startCompare() {
  const list = $("compare");
  list.append(h("optgroup", { label: "another motion" }, [...known.motions.keys()].map((name) => h("option", { value: name }, name))));
  list.addEventListener("change", () => { compareWith(list.value); list.value = ""; });
  $("swap").addEventListener("click", swap);
  $("unpin").addEventListener("click", () => { chosen.pin = null; changed(null); });
  listen(() => { for (const id of ["swap", "unpin"]) $(id).hidden = !chosen.pin; });
}

function now() {
  const { picture, ...rest } = request();
  return structuredClone(rest);
}

function compareWith(what) {
  if (!what) return;
  chosen.pin = now();
  if (what === "seed") chosen.settings.seed += 1;
  else if (what !== "pin") chosen.pin.motions = [{ name: what }];
  changed(null);
}

function swap() {
  const other = chosen.pin;
  chosen.pin = now();
  apply(other);
}
