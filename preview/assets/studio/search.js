// The Search tab: a text, and its results in coarse and in re-ranked order.

import { keep, remember } from "./address.js";
import { api, latest } from "./ask.js";
import { $, calm, h } from "./dom.js";
import { right, wrong } from "./notices.js";
import { showSample, unreadable } from "./sample.js";

let asked = "";

export function startSearch(state) {
  $("tab-search").hidden = !state.search;
  $("find").addEventListener("submit", (event) => { event.preventDefault(); submit($("text").value); });
  keep({
    write: () => ({ text: asked }),
    read: (values) => {
      const text = values.get("text") ?? "";
      $("text").value = text;
      if (state.search && text && text !== asked) find(text);
      asked = text;
    },
  });
}

function submit(text) {
  right($("text"));
  if (!text.trim()) return wrong($("text"), "Type a text to search for.");
  asked = text;
  remember(null);
  find(text);
}

const find = latest(async (signal, text) => {
  $("search-note").textContent = "Searching…";
  $("results").classList.add("busy");
  try {
    const { coarse, reranked } = await api(`/api/search?${new URLSearchParams({ text })}`, { signal });
    $("results").hidden = false;
    $("coarse").replaceChildren(...coarse.map((found, place) => card(coarse, place, `cosine ${found.cosine.toFixed(4)}`)));
    $("fine").replaceChildren(...(reranked ?? []).map((found, place) => card(reranked, place, `match ${found.match.toFixed(2)} · was ${found.coarse_rank}${moved(found.coarse_rank, place + 1)}`)));
    $("fine-box").hidden = !reranked;
    if (!coarse.length) $("search-note").textContent = "The index holds no clips.";
    else $("search-note").textContent = reranked ? "" : "This index has no re-ranker: the dual encoder's order alone.";
  } catch (error) {
    if (!signal.aborted) $("search-note").textContent = "";
    throw error;
  } finally {
    if (!signal.aborted) $("results").classList.remove("busy");
  }
});

function moved(before, now) {
  if (before === now) return "";
  return before > now ? " ▲" : " ▼";
}

const clipOf = (id) => `/api/search/${id}/clip${calm ? "?still=1" : ""}`;

function look(list, place) {
  const { id, ...values } = { ...list[place], cosine: list[place].cosine.toFixed(4), match: list[place].match?.toFixed(4) ?? null };
  showSample({ key: values.key, caption: values.captions[0] ?? "", clip: clipOf(id), values },
    { go: (step) => look(list, place + step), place: { before: place > 0, after: place < list.length - 1 } });
}

function card(list, place, score) {
  const { id, key, captions } = list[place];
  return h("button", { class: "card", onclick: () => look(list, place) },
    h("img", { alt: "", loading: "lazy", src: clipOf(id), onerror: unreadable }),
    h("span", { class: "caption" }, `${place + 1}. `, h("bdi", {}, captions[0] ?? "")), h("span", { class: "soft" }, score), h("span", { class: "soft" }, key));
}
