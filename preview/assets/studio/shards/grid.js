// A page of clips: cards with captions and tags, one of them in a dialog.

import { api, latest } from "../ask.js";
import { $, calm, count, h, number } from "../dom.js";
import { closeSample, showSample, unreadable } from "../sample.js";
import { ask, asked, base, listen, query } from "./state.js";
import { positionsOf, tagOf, toggle } from "./tags.js";

const PER_PAGE = 24;
let rows = [];
let total = 0;
let shownPage = "";

const pages = () => Math.max(1, Math.ceil(total / PER_PAGE));
const clipOf = (position) => `${base()}/clip?position=${position}${calm ? "&still=1" : ""}`;

export function startGrid() {
  $("previous").addEventListener("click", () => ask({ page: asked.page - 1 }));
  $("next").addEventListener("click", () => ask({ page: asked.page + 1 }));
  $("page").addEventListener("change", () => ask({ page: Math.min(Math.max(1, Math.floor(Number($("page").value)) || 1), pages()) }));
  document.addEventListener("tags", () => { for (const box of $("clips").children) markTag(box); });
  $("clips").addEventListener("keydown", (event) => {
    const box = event.target.closest(".card-box");
    if (event.key === "t" && box && !event.ctrlKey && !event.metaKey) toggle(box.row);
  });
}

// Loads the page that is asked for, then the clip that is open.
export const load = latest(async (signal) => {
  const wanted = `${base()}?${query()}&${asked.tagged}&${asked.page}`;
  if (wanted !== shownPage) {
    $("clips").classList.add("busy");
    try {
      await fetchPage(signal);
    } finally {
      if (!signal.aborted) $("clips").classList.remove("busy");
    }
    shownPage = wanted;
    showPager();
    $("clips").replaceChildren(...(rows.length ? rows.map(card) : [h("p", { class: "soft empty" }, "Nothing matches. Remove a filter to see more.")]));
  }
  if (asked.clip === null) closeSample();
  else await look(signal);
});

async function fetchPage(signal) {
  const start = (asked.page - 1) * PER_PAGE;
  if (asked.tagged) {
    const positions = positionsOf(asked.tagged);
    total = positions.length;
    const answer = await api(`${base()}/rows?positions=${positions.slice(start, start + PER_PAGE).join(",")}`, { signal });
    rows = answer.rows.filter((row) => tagOf(row.key));
    return;
  }
  const values = query();
  values.set("start", start);
  values.set("count", PER_PAGE);
  const answer = await api(`${base()}/page?${values}`, { signal });
  ({ rows, total } = answer);
}

function showPager() {
  $("page").value = asked.page;
  $("page").max = pages();
  $("pages").textContent = count(pages());
  $("total").textContent = count(total);
  $("previous").disabled = asked.page <= 1;
  $("next").disabled = asked.page >= pages();
  $("tag-all").textContent = `Tag all ${count(total)}`;
  $("tag-all").disabled = Boolean(asked.tagged) || !total;
}

function card(row) {
  const box = h("div", { class: "card-box" },
    h("button", { class: "card", onclick: () => ask({ clip: row.position }) },
      h("img", { alt: "", loading: "lazy", src: clipOf(row.position), onerror: unreadable }),
      h("span", { class: "caption", dir: "auto" }, row.caption),
      h("span", { class: "soft" }, `${row.motion || "video"} · ${row.key}`)),
    tagButton(row));
  box.row = row;
  markTag(box);
  return box;
}

const tagButton = (row) => h("button", { class: "tag", "aria-pressed": "false", onclick: () => toggle(row) }, "tag");

function markTag(box) {
  const button = box.querySelector(".tag");
  if (!button) return;
  const tag = tagOf(box.row.key);
  button.textContent = tag || "tag";
  button.setAttribute("aria-pressed", String(Boolean(tag)));
  button.setAttribute("aria-label", tag ? `${box.row.key} is tagged ${tag}` : `Tag ${box.row.key}`);
}

async function look(signal) {
  const position = asked.clip;
  const { caption, ...values } = await api(`${base()}/details?position=${position}`, { signal });
  const { quads } = values;
  values.quads = quads.length ? `${quads.length} views, first ${quad(quads[0])}, last ${quad(quads.at(-1))}` : "none";
  const at = rows.findIndex((row) => row.position === position);
  const first = (asked.page - 1) * PER_PAGE;
  const extra = h("span", { class: "card-box in-dialog" });
  extra.row = { key: values.key, position };
  extra.append(tagButton(extra.row));
  markTag(extra);
  document.addEventListener("tags", () => markTag(extra), { signal });
  showSample({ key: values.key, caption, clip: clipOf(position), values, extra }, {
    go,
    place: { before: at >= 0 && first + at > 0, after: at >= 0 && first + at < total - 1 },
    closed: () => { if (asked.clip !== null) ask({ clip: null }); },
  });
}

// The neighbour may be on another page.
const go = latest(async (signal, step) => {
  const at = rows.findIndex((row) => row.position === asked.clip) + step;
  if (rows[at]) return ask({ clip: rows[at].position }, "clip");
  asked.page += step;
  await fetchPage(signal);
  ask({ page: asked.page, clip: rows.at(step < 0 ? -1 : 0).position }, "clip");
});

const quad = (points) => points.map((point) => `(${point.map((value) => number(value)).join(", ")})`).join(" ");

listen((what) => { if (what === "output") shownPage = ""; });
