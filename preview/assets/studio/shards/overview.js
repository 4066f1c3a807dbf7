// Counts, histograms that filter, and failures of an output.

import { api, latest } from "../ask.js";
import { $, breakable, count, h, options } from "../dom.js";
import { ask, asked, base, listen } from "./state.js";

const MOST_MOTIONS = 30;
let bars = [];

export function startOverview() {
  listen(mark);
}

export const showOverview = latest(async (signal) => {
  const values = await api(`${base()}/overview`, { signal });
  const fact = (value, text) => h("div", {}, h("b", {}, count(value)), ` ${text}`);
  $("overview").replaceChildren(fact(values.samples, "samples"), fact(values.shards, "shards"), fact(values.failed, "failed"),
    h("div", { class: "soft" }, Object.keys(values.clip_sizes).slice(0, 3).join("; ")));
  const named = (entries) => [["", "any"], ...Object.entries(entries).map(([name, amount]) => [name, `${name} (${count(amount)})`])];
  options($("f-motion"), named(values.motions), asked.motion);
  options($("f-source"), named(values.sources), asked.source);
  $("failures").replaceChildren(failureTable(values.failures));
  bars = [];
  $("histograms").replaceChildren(motionChart(Object.entries(values.motions).slice(0, MOST_MOTIONS)), ...values.histograms.map(measureChart));
  mark();
}, { quiet: true });

function motionChart(entries) {
  const most = Math.max(...entries.map((entry) => entry[1]), 1);
  return chart("Motion", entries.map(([name, amount]) => bar({ label: name, count: amount, percent: (100 * amount) / most },
    () => asked.motion === `=${name}`, (on) => ask({ motion: on ? `=${name}` : "" }))));
}

function measureChart({ name, title, bars: found }) {
  return chart(title, found.map((one) => {
    const range = `${one.low ?? ""}:${one.high ?? ""}`;
    return bar(one, () => asked.ranges[name] === range, (on) => {
      const { [name]: _, ...others } = asked.ranges;
      ask({ ranges: on ? { ...others, [name]: range } : others });
    });
  }));
}

const chart = (title, rows) => h("div", {}, h("h3", {}, title), h("div", { class: "bar-chart", role: "group", "aria-label": title }, rows));

function bar({ label, count: amount, percent }, isOn, turn) {
  const button = h("button", { class: "bar", "aria-pressed": "false", disabled: !amount, onclick: () => turn(!isOn()) },
    h("span", { class: "soft" }, breakable(label)), h("progress", { max: 100, value: percent, "aria-hidden": "true" }), h("span", { class: "number" }, count(amount)));
  bars.push({ button, isOn });
  return button;
}

function mark() {
  for (const { button, isOn } of bars) button.setAttribute("aria-pressed", String(isOn()));
}

function failureTable(failures) {
  if (!failures.length) return h("p", { class: "soft" }, "None.");
  const head = h("tr", {}, ...["reason", "inputs", "meaning and examples"].map((name) => h("th", { scope: "col", class: name === "inputs" ? "number" : null }, name)));
  const rows = failures.map((row) => h("tr", {}, h("td", { class: "mono reason" }, row.reason), h("td", { class: "number" }, count(row.count)),
    h("td", {}, row.advice ? h("div", { class: "soft" }, row.advice) : null, row.examples.map((e) => h("div", {}, h("code", {}, e.key || ""), ` ${e.detail || ""} `, h("span", { class: "soft" }, e.url || ""))))));
  return h("table", {}, h("thead", {}, head), h("tbody", {}, rows));
}
