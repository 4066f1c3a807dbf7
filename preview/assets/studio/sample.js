// One clip in a dialog: larger, with all its metadata.

import { $, h } from "./dom.js";

export function showSample({ key, caption, clip, values }) {
  const dialog = $("sample");
  const empty = (value) => value === "" || value === null || (Array.isArray(value) && !value.length);
  const rows = Object.entries(values).filter(([, value]) => !empty(value)).map(([name, value]) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, shown(value))));
  dialog.replaceChildren(
    h("div", { class: "row" }, h("h2", { id: "sample-title" }, key), h("button", { onclick: () => dialog.close(), autofocus: true }, "Close")),
    h("div", { class: "body" }, h("div", {}, h("img", { alt: caption, src: clip }), h("p", {}, caption)), h("table", {}, h("tbody", {}, rows))));
  dialog.showModal();
}

const shown = (value) => (Array.isArray(value) && value.every((one) => typeof one === "string") ? value.map((one) => h("div", {}, one))
  : typeof value === "object" ? JSON.stringify(value) : String(value));

export function unreadable(event) {
  event.target.replaceWith(h("span", { class: "soft missing" }, "This clip cannot be read; zoetrope validate says why."));
}
