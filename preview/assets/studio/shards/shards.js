// The Shards tab: filter and page through the clips, open one; failures and histograms.

import { api, latest } from "../ask.js";
import { $, calm, count, h, number } from "../dom.js";
import { showSample, unreadable } from "../sample.js";

const PER_PAGE = 24;
let outputs = [];
let pages = 1;
let opened = false;

const base = () => `/api/outputs/${$("output").value || 0}`;

export function startShards(state) {
  outputs = state.outputs;
  $("output").append(...outputs.map((uri, index) => h("option", { value: index }, uri)));
  $("output-row").hidden = outputs.length < 2;
  $("output").addEventListener("change", () => open());
  $("filter").addEventListener("submit", (event) => { event.preventDefault(); go(1); });
  for (const name of ["f-motion", "f-source"]) $(name).addEventListener("change", () => go(1));
  $("previous").addEventListener("click", () => go(Number($("page").value) - 1));
  $("next").addEventListener("click", () => go(Number($("page").value) + 1));
  $("page").addEventListener("change", () => go(Number($("page").value)));
  document.addEventListener("tab", (event) => { if (event.detail === "shards" && !opened) { opened = true; open(); } });
}

function open() {
  if (!outputs.length) {
    $("overview").textContent = "No output is open. Start the studio with one: zoetrope studio clips/";
    $("filter").hidden = true;
    return;
  }
  $("overview").textContent = "Reading…";
  go(1);
  showOverview();
}

const showOverview = latest(async (signal) => {
  const values = await api(`${base()}/overview`, { signal });
  const fact = (value, text) => h("div", {}, h("b", {}, count(value)), ` ${text}`);
  $("overview").replaceChildren(fact(values.samples, "samples"), fact(values.shards, "shards"), fact(values.failed, "failed"), h("div", { class: "soft" }, Object.keys(values.clip_sizes).slice(0, 3).join("; ")));
  options($("f-motion"), Object.entries(values.motions));
  options($("f-source"), Object.entries(values.sources));
  $("failures").replaceChildren(failureTable(values.failures));
  const motions = { title: "Motion", bars: bars(Object.entries(values.motions).slice(0, 30)) };
  $("histograms").replaceChildren(...[motions, ...values.histograms].map(chart));
});

function options(select, entries) {
  select.replaceChildren(h("option", { value: "" }, "any"), ...entries.map(([name, amount]) => h("option", { value: name }, `${name} (${count(amount)})`)));
}

function bars(entries) {
  const most = Math.max(...entries.map((entry) => entry[1]), 1);
  return entries.map(([label, amount]) => ({ label, count: amount, percent: (100 * amount) / most }));
}

function chart({ title, bars }) {
  return h("div", {}, h("h3", {}, title), h("dl", { class: "bars" }, bars.flatMap((bar) => [
    h("dt", {}, bar.label), h("dd", {}, h("progress", { max: 100, value: bar.percent, "aria-label": bar.label })), h("dd", { class: "number" }, count(bar.count))])));
}

function failureTable(failures) {
  if (!failures.length) return h("p", { class: "soft" }, "None.");
  const head = h("tr", {}, ...["reason", "inputs", "examples"].map((name) => h("th", { scope: "col", class: name === "inputs" ? "number" : null }, name)));
  const rows = failures.map((row) => h("tr", {}, h("td", { class: "mono reason" }, row.reason), h("td", { class: "number" }, count(row.count)),
    h("td", {}, row.examples.map((e) => h("div", {}, h("code", {}, e.key || ""), ` ${e.detail || ""} `, h("span", { class: "soft" }, e.url || ""))))));
  return h("table", {}, h("thead", {}, head), h("tbody", {}, rows));
}

const go = latest(async (signal, wanted) => {
  const page = Math.min(Math.max(1, Math.floor(wanted) || 1), Math.max(pages, wanted === 1 ? 1 : pages));
  const query = new URLSearchParams({ caption: $("f-caption").value, motion: $("f-motion").value, source: $("f-source").value, start: (page - 1) * PER_PAGE, count: PER_PAGE });
  const values = await api(`${base()}/page?${query}`, { signal });
  pages = Math.max(1, Math.ceil(values.total / PER_PAGE));
  $("page").value = page;
  $("page").max = pages;
  $("pages").textContent = count(pages);
  $("total").textContent = count(values.total);
  $("previous").disabled = page <= 1;
  $("next").disabled = page >= pages;
  $("clips").replaceChildren(...(values.rows.length ? values.rows.map(card) : [h("p", { class: "soft" }, "Nothing matches.")]));
});

const source = (position) => `${base()}/clip?position=${position}${calm ? "&still=1" : ""}`;

function card(row) {
  return h("button", { class: "card", onclick: () => look(row) },
    h("img", { alt: "", loading: "lazy", src: source(row.position), onerror: unreadable }),
    h("span", { class: "caption" }, row.caption),
    h("span", { class: "soft" }, `${row.motion || "video"} · ${row.key}`));
}

const look = latest(async (signal, row) => {
  const { caption, ...values } = await api(`${base()}/details?position=${row.position}`, { signal });
  const { quads } = values;
  values.quads = quads.length ? `${quads.length} views, first ${quad(quads[0])}, last ${quad(quads.at(-1))}` : "none";
  showSample({ key: row.key, caption, clip: source(row.position), values });
});

const quad = (points) => points.map((point) => `(${point.map((value) => number(value)).join(", ")})`).join(" ");
