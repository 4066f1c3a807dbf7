// The Search tab: a text, and the clips it finds, coarse beside re-ranked.

import { $, api, h, latest, number } from "./dom.js";

export function startSearch(state) {
  $("tab-search").hidden = !state.search;
  $("search-note").textContent = state.search ? "" : "No index is open.";
  $("find").addEventListener("submit", (event) => { event.preventDefault(); find($("text").value); });
}

const find = latest(async (signal, text) => {
  const values = await api(`/api/search?${new URLSearchParams({ text })}`, { signal });
  $("coarse").replaceChildren(...values.coarse.map(card));
  $("fine").replaceChildren(...values.reranked.map(card));
});

function card(found, index) {
  return h("div", { class: "card" }, h("img", { alt: "", src: `data:image/webp;base64,${found.clip}` }),
    h("span", { class: "caption" }, `${index + 1}. ${found.caption}`), h("span", { class: "soft" }, `${number(found.score)} · ${found.key}`));
}
