// Motions under a name: those that come with the studio, and those that this browser keeps.

import { $, h } from "../dom.js";
import { note, right, wrong } from "../notices.js";
import { apply, known, request } from "./state.js";

const KEPT = "zoetrope.presets";
const MOST = 100;

export function startPresets() {
  $("preset").addEventListener("change", choose);
  $("preset-save").addEventListener("click", () => { $("preset-form").hidden = false; $("preset-name").focus(); });
  $("preset-form").addEventListener("submit", (event) => { event.preventDefault(); save(); });
  $("preset-cancel").addEventListener("click", close);
  $("preset-delete").addEventListener("click", remove);
  show("");
}

function readKept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "[]").filter((one) => typeof one?.name === "string" && Array.isArray(one.motions) && one.motions.length);
  } catch {
    return [];
  }
}

function show(chosen) {
  const option = (kind) => ({ name, help }) => h("option", { value: `${kind}:${name}`, title: help }, name);
  const kept = readKept();
  $("preset").replaceChildren(h("option", { value: "" }, "Presets"),
    h("optgroup", { label: "Shipped" }, known.presets.map(option("shipped"))),
    ...(kept.length ? [h("optgroup", { label: "Yours, in this browser" }, kept.map(option("own")))] : []));
  $("preset").value = chosen;
  $("preset-delete").hidden = !chosen.startsWith("own:");
}

function choose() {
  const [kind, ...name] = $("preset").value.split(":");
  const all = kind === "own" ? readKept() : known.presets;
  const found = all.find((one) => one.name === name.join(":"));
  $("preset-delete").hidden = kind !== "own";
  if (!found) return;
  const { name: _, help, ...values } = found;
  apply(values);
}

function save() {
  const name = $("preset-name").value.trim();
  if (!name) return wrong($("preset-name"), "Give the preset a name.");
  const kept = readKept().filter((one) => one.name !== name);
  if (kept.length >= MOST) return wrong($("preset-name"), `This browser keeps at most ${MOST} presets; delete one first.`);
  const { picture, seed, ...values } = request();
  localStorage.setItem(KEPT, JSON.stringify([...kept, { name, ...values }]));
  close();
  show(`own:${name}`);
  note(`Preset "${name}" saved in this browser`);
}

function remove() {
  const name = $("preset").value.slice("own:".length);
  localStorage.setItem(KEPT, JSON.stringify(readKept().filter((one) => one.name !== name)));
  show("");
}

function close() {
  right($("preset-name"));
  $("preset-name").value = "";
  $("preset-form").hidden = true;
}
