// The tabs, and the first content of each.

import { remember, setTab, startAddress } from "./address.js";
import { api } from "./ask.js";
import { $ } from "./dom.js";
import { startMotions } from "./motions/motions.js";
import { say, startNotices } from "./notices.js";
import { startSearch } from "./search.js";
import { startShards } from "./shards/shards.js";

const names = ["motions", "shards", "search"];
const offered = () => names.filter((name) => !$(`tab-${name}`).hidden);

function show(name) {
  for (const other of names) {
    const tab = $(`tab-${other}`);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    $(other).hidden = other !== name;
  }
  setTab(name);
  document.dispatchEvent(new CustomEvent("tab", { detail: name }));
}

function choose(name, focus) {
  show(name);
  if (focus) $(`tab-${name}`).focus();
  remember(null);
}

for (const name of names) {
  $(`tab-${name}`).addEventListener("click", () => choose(name));
  $(`tab-${name}`).addEventListener("keydown", (event) => {
    const here = offered();
    const at = here.indexOf(name);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + here.length, Home: 0, End: here.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(here[to % here.length], true);
  });
}

startNotices();
try {
  const state = await api("/api/state");
  startMotions(state);
  startShards(state);
  startSearch(state);
  const first = state.outputs.length && state.samples ? "shards" : "motions";
  await startAddress((asked) => show(offered().includes(asked) ? asked : first));
} catch (error) {
  say(error.message);
}
