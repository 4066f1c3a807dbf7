// The state of the page in its address: "#tab?name=value". Back, reload and a shared link restore it.
// Each tab has a keeper: write() gives its values that differ from the start, and read(values) restores them.

const keepers = [];
let tab = "";
let last = null;
let silent = true;
let restores = 0;

export const keep = (keeper) => keepers.push(keeper);
export const currentTab = () => tab;
export const setTab = (name) => { tab = name; };

function text() {
  const values = new URLSearchParams();
  for (const keeper of keepers) {
    for (const [name, value] of Object.entries(keeper.write())) {
      if (value !== null && value !== undefined && value !== "") values.set(name, value);
    }
  }
  const query = values.toString();
  return `#${tab}${query ? `?${query}` : ""}`;
}

// After a change of `what`. Changes of one control in a row make one step of the history.
export function remember(what) {
  if (silent) return;
  const wanted = text();
  if (wanted === location.hash) return;
  if (what !== null && what === last) history.replaceState(null, "", wanted);
  else history.pushState(null, "", wanted);
  last = what;
}

// Corrects the address without a step of the history.
export function settle() {
  history.replaceState(null, "", text());
  last = null;
}

export function parse(hash) {
  const at = hash.indexOf("?");
  const name = (at < 0 ? hash : hash.slice(0, at)).replace(/^#/, "");
  return { name, values: new URLSearchParams(at < 0 ? "" : hash.slice(at + 1)) };
}

export async function restore(show) {
  const mine = (restores += 1);
  silent = true;
  const { name, values } = parse(location.hash);
  for (const keeper of keepers) {
    await keeper.read(values);
    if (mine !== restores) return; // the address has changed again meanwhile
  }
  show(name);
  silent = false;
  settle();
}

export function startAddress(show) {
  addEventListener("popstate", () => restore(show));
  return restore(show);
}

// A JSON value of the address; `fallback` for text that is none.
export function readJson(text, fallback) {
  if (!text) return fallback;
  try {
    return JSON.parse(text);
  } catch {
    return fallback;
  }
}
