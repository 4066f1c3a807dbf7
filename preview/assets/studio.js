// The tabs, and the first content of each.

import { $, api, say } from "./dom.js";
import { startMotions } from "./motions.js";
import { startSearch } from "./search.js";
import { startShards } from "./shards.js";

const names = ["motions", "shards", "search"];
const offered = () => names.filter((name) => !$(`tab-${name}`).hidden);

function show(name, focus) {
  for (const other of names) {
    const tab = $(`tab-${other}`);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    $(other).hidden = other !== name;
  }
  history.replaceState(null, "", `#${name}`);
  if (focus) $(`tab-${name}`).focus();
  document.dispatchEvent(new CustomEvent("tab", { detail: name }));
}

for (const name of names) {
  $(`tab-${name}`).addEventListener("click", () => show(name));
  $(`tab-${name}`).addEventListener("keydown", (event) => {
    const here = offered();
    const at = here.indexOf(name);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + here.length, Home: 0, End: here.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(here[to % here.length], true);
  });
}

try {
  const state = await api("/api/state");
  startMotions(state);
  startShards(state);
  startSearch(state);
  const asked = location.hash.slice(1);
  show(offered().includes(asked) ? asked : state.pictures.length || !state.outputs.length ? "motions" : "shards");
} catch (error) {
  say(error.message);
}
