// The same motion or mix drawn with several seeds.

import { api, later, latest } from "../ask.js";
import { $, breakable, h } from "../dom.js";
import { oneStop } from "../stops.js";
import { changed, chosen, listen, request } from "./state.js";

let first = 0; // seed of the first tile, relative to the chosen one
let asked = null;

export function startSeeds() {
  oneStop($("draws"));
  $("seeds").addEventListener("toggle", () => {
    if ($("seeds").open === wanted()) return;
    chosen.seeds = $("seeds").open;
    changed("seeds");
  });
  $("seeds-count").addEventListener("change", () => fetchSeeds());
  $("seeds-next").addEventListener("click", () => { first += Number($("seeds-count").value); fetchSeeds(); });
  const soon = later(() => fetchSeeds(), 120);
  listen((what) => {
    if (what !== "seed-picked") first = 0;
    $("seeds").open = wanted();
    mark();
    if (wanted() && chosen.picture && what !== "seed-picked") soon();
  });
}

const wanted = () => chosen.seeds || chosen.mode === "mix";

const fetchSeeds = latest(async (signal) => {
  const seed = chosen.settings.seed + first;
  const post = request({ seed });
  asked = `${seed}`;
  $("draws").classList.add("busy");
  try {
    const { draws } = await api(`/api/draws?count=${$("seeds-count").value}`, { post, signal });
    $("draws").replaceChildren(...draws.map(tile));
    mark();
  } finally {
    if (!signal.aborted) $("draws").classList.remove("busy");
  }
}, { quiet: true });

function tile({ seed, motion, clip }) {
  const pick = () => { first = Number(asked) - seed; chosen.settings.seed = seed; changed("seed-picked"); };
  return h("button", { title: `seed ${seed}`, "data-seed": seed, "aria-pressed": "false", onclick: pick },
    h("img", { alt: "", src: `data:image/webp;base64,${clip}` }), h("span", {}, breakable(motion), `, seed ${seed}`));
}

function mark() {
  for (const button of $("draws").children) button.setAttribute("aria-pressed", String(Number(button.dataset.seed) === chosen.settings.seed));
}
