// The Search tab: a text, and its results in coarse and in re-ranked order.

import { api, latest } from "./ask.js";
import { $, calm, h } from "./dom.js";
import { right, wrong } from "./notices.js";
import { showSample, unreadable } from "./sample.js";

export function startSearch(state) {
  $("tab-search").hidden = !state.search;
  $("find").addEventListener("submit", (event) => { event.preventDefault(); find($("text").value); });
}

const find = latest(async (signal, text) => {
  right($("text"));
  if (!text.trim()) return wrong($("text"), "Type a text to search for.");
  $("search-note").textContent = "Searching…";
  $("results").classList.add("busy");
  try {
    const { coarse, reranked } = await api(`/api/search?${new URLSearchParams({ text })}`, { signal });
    $("results").hidden = false;
    $("coarse").replaceChildren(...coarse.map((found, place) => card(found, place + 1, `cosine ${found.cosine.toFixed(4)}`)));
    $("fine").replaceChildren(...(reranked ?? []).map((found, place) => card(found, place + 1, `match ${found.match.toFixed(2)} · was ${found.coarse_rank}${found.coarse_rank > place + 1 ? " ▲" : found.coarse_rank < place + 1 ? " ▼" : ""}`)));
    $("fine-box").hidden = !reranked;
    $("search-note").textContent = coarse.length ? (reranked ? "" : "This index has no re-ranker: the dual encoder's order alone.") : "The index holds no clips.";
  } catch (error) {
    if (!signal.aborted) $("search-note").textContent = "";
    throw error;
  } finally {
    if (!signal.aborted) $("results").classList.remove("busy");
  }
});

function card(found, place, score) {
  const caption = found.captions[0] ?? "";
  const { id, ...values } = { ...found, cosine: found.cosine.toFixed(4), match: found.match?.toFixed(4) ?? null };
  const clip = `/api/search/${id}/clip${calm ? "?still=1" : ""}`;
  return h("button", { class: "card", onclick: () => showSample({ key: found.key, caption, clip, values }) },
    h("img", { alt: "", loading: "lazy", src: clip, onerror: unreadable }),
    h("span", { class: "caption" }, `${place}. ${caption}`), h("span", { class: "soft" }, score), h("span", { class: "soft" }, found.key));
}
