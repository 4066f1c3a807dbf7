// The clip of what is chosen, and the one that it is compared with.

import { api, later, latest } from "../ask.js";
import { $, number } from "../dom.js";
import { Player } from "../player.js";
import { isTiming, parameterOf, showDrawn } from "./parameters.js";
import { showCurves, showMoment, showPath } from "./path.js";
import { chosen, listen, request } from "./state.js";

let player;
let clip = null;
let pinned = null; // what the other screen shows
const shownListeners = [];

export const currentClip = () => clip;
export const listenShown = (work) => shownListeners.push(work);

export function startClip() {
  player = new Player($("player"), (index) => clip && showMoment(clip, index));
  const soon = later(fetchClip, 40);
  listen(() => {
    if (!chosen.picture) return;
    soon();
    fetchPinned();
  });
}

const fetchClip = latest(async (signal) => {
  $("player").classList.add("busy");
  try {
    const asked = request();
    const made = await api("/api/clip", { post: asked, signal });
    clip = { ...made, asked };
    await player.load(clip.frames, asked.fps, title(clip.motion, asked));
    showClip();
  } finally {
    if (!signal.aborted) $("player").classList.remove("busy");
  }
});

const fetchPinned = latest(async (signal) => {
  const wanted = chosen.pin ? JSON.stringify(request(chosen.pin)) : null;
  if (wanted === pinned) return;
  if (wanted === null) {
    await player.compare(null);
  } else {
    const other = await api("/api/clip", { post: JSON.parse(wanted), signal });
    await player.compare(other.frames, title(other.motion, chosen.pin));
  }
  pinned = wanted;
}, { quiet: true });

const title = (motion, { seed }) => `${motion}, seed ${seed}`;

// Usual values of the pace are left out: its sliders show them.
function isUsual(name, value) {
  if (!isTiming(name)) return false;
  const part = name.includes(".") ? name.split(".")[0].replace(/_\d+$/, "") : clip.motion.split(/[+>|]/)[0];
  return parameterOf(part, name.split(".").pop())?.default === value;
}

function showClip() {
  const unusual = Object.entries(clip.parameters).filter(([name, value]) => !isUsual(name, value));
  const said = unusual.map(([name, value]) => `${name} ${typeof value === "number" ? number(value, 4) : value}`).join(", ");
  $("drawn").textContent = said ? `${clip.motion}: ${said}` : clip.motion;
  if (chosen.mode === "one") showDrawn(clip.parameters);
  showPath(clip);
  showCurves(clip, clip.asked.fps);
  showMoment(clip, player.at);
  for (const work of shownListeners) work(clip);
  $("player").dataset.version = String(Number($("player").dataset.version || 0) + 1);
}
