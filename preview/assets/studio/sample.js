// One clip of a list in a dialog: larger, with all its metadata. Arrow keys and buttons go to its neighbours.

import { $, h } from "./dom.js";

let shown = null;

// `show` is {key, caption, clip, values, extra}; `go(step)` shows a neighbour, and `place` says which there are.
export function showSample({ key, caption, clip, values, extra }, { go, place = {}, closed } = {}) {
  const dialog = $("sample");
  const empty = (value) => value === "" || value === null || (typeof value === "object" && !Object.keys(value).length);
  const rows = Object.entries(values).filter(([, value]) => !empty(value)).map(([name, value]) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, textOf(value))));
  const step = (name, by, possible) => h("button", { id: `sample-${name.toLowerCase()}`, disabled: !possible, onclick: () => go(by) }, by < 0 ? `← ${name}` : `${name} →`);
  const steps = go ? [step("Previous", -1, place.before), step("Next", 1, place.after)] : [];
  const focused = dialog.contains(document.activeElement) ? document.activeElement.id : "sample-close";
  dialog.replaceChildren(
    h("div", { class: "head" }, h("h2", { id: "sample-title" }, key), h("div", { class: "row" }, ...steps, extra, h("button", { id: "sample-close", onclick: () => dialog.close() }, "Close"))),
    h("div", { class: "body" }, h("div", {}, h("img", { alt: caption, src: clip }), h("p", { dir: "auto" }, caption)), h("table", {}, h("tbody", {}, rows))));
  shown = { go, place, closed };
  if (!dialog.open) dialog.showModal();
  const wanted = $(focused);
  (wanted && !wanted.disabled ? wanted : $("sample-close")).focus();
}

export function closeSample() {
  if (!$("sample").open) return;
  shown = null;
  $("sample").close();
}

export function startSample() {
  $("sample").addEventListener("close", () => shown?.closed?.());
  $("sample").addEventListener("keydown", (event) => {
    if (!shown?.go || event.target.matches("input, select")) return;
    if (event.key === "ArrowLeft" && shown.place.before) shown.go(-1);
    if (event.key === "ArrowRight" && shown.place.after) shown.go(1);
  });
}

function textOf(value) {
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.map((one) => h("div", {}, one));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function unreadable(event) {
  event.target.replaceWith(h("span", { class: "soft missing" }, "This clip cannot be read; zoetrope validate says why."));
}
