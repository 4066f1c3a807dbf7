// What is chosen in the Motions tab, its place in the address, and the request that it makes.

import { keep, readJson, remember } from "../address.js";

export const known = { motions: new Map(), defaultMix: [], limits: {}, presets: [] };
export const chosen = { picture: null, parts: [{ name: "zoom_in", join: "" }], fixed: {}, mode: "one", mix: [], focus: false, settings: {}, pin: null, seeds: false };

const JOINS = /([+>|])/;
const listeners = [];
let stale = false; // the address has changed what is chosen, and the tab does not show it yet

// Calls `work(what)` after a change, and `work(null)` after the address has changed everything.
export const listen = (work) => listeners.push(work);

export function changed(what) {
  remember(what);
  for (const work of listeners) work(what);
}

export const motionText = (parts = chosen.parts) => parts.map(({ name, join }) => join + name).join("");

export function readParts(text) {
  const pieces = String(text).split(JOINS).map((piece) => piece.trim());
  const parts = [];
  for (let i = 0; i < pieces.length; i += 2) parts.push({ name: pieces[i], join: i ? pieces[i - 1] : "" });
  return parts.every((part) => known.motions.has(part.name)) ? parts : null;
}

// How the parameters of each part are addressed: by its name, name_2 if it occurs a second time.
export function labels(parts = chosen.parts) {
  const found = [];
  for (const { name } of parts) {
    let label = name;
    for (let n = 2; found.includes(label); n += 1) label = `${name}_${n}`;
    found.push(label);
  }
  return found;
}

export function pickMotion(text) {
  const parts = readParts(text);
  if (!parts) return;
  Object.assign(chosen, { parts, fixed: {}, mode: "one" });
  changed(null);
}

// Takes over motions as a config has them, with the focus and settings that come along.
export function apply({ motions, focus, picture, ...settings }) {
  const entries = readMix(JSON.stringify(motions));
  const { name, weight, ...fixed } = entries[0];
  const parts = entries.length === 1 ? readParts(name) : null;
  if (parts) Object.assign(chosen, { parts, fixed, mode: "one" });
  else Object.assign(chosen, { mix: entries, mode: "mix" });
  if (focus) chosen.focus = focus === "subject";
  for (const [field, value] of Object.entries(settings)) if (field in known.limits) chosen.settings[field] = value;
  changed(null);
}

export const currentMotion = () => ({ name: motionText(), ...chosen.fixed });

export function request(differing = {}) {
  const motions = chosen.mode === "mix" ? chosen.mix : [currentMotion()];
  return { picture: chosen.picture?.id, motions, focus: chosen.focus ? "subject" : "any", ...chosen.settings, ...differing };
}

export const defaults = () => Object.fromEntries(Object.entries(known.limits).map(([name, limit]) => [name, limit.default]));

// The address

// A given picture is named by its file, which stays the same when the studio starts again; a dropped one by its id.
function pictureName() {
  const id = chosen.picture?.id;
  const { name } = known.given.find((one) => one.id === id) ?? {};
  return name && known.given.filter((one) => one.name === name).length === 1 ? name : id;
}

function write() {
  const usual = defaults();
  const values = { picture: pictureName() };
  if (motionText() !== "zoom_in" || Object.keys(chosen.fixed).length) values.motion = motionText();
  for (const [name, value] of Object.entries(chosen.fixed)) values[`p.${name}`] = Array.isArray(value) ? JSON.stringify(value) : value;
  for (const [name, value] of Object.entries(chosen.settings)) if (value !== usual[name]) values[name] = value;
  if (chosen.focus) values.focus = "subject";
  if (chosen.mix.length) values.mix = JSON.stringify(chosen.mix) === JSON.stringify(known.defaultMix) ? "default" : JSON.stringify(chosen.mix);
  if (chosen.mode === "mix") values.mode = "mix";
  if (chosen.pin) values.pin = JSON.stringify(chosen.pin);
  if (chosen.seeds) values.seeds = "1";
  return values;
}

function readSettings(values) {
  const settings = defaults();
  for (const [name, { low, high, whole }] of Object.entries(known.limits)) {
    const value = Number(values.get(name) ?? NaN);
    if (value >= low && value <= high && (!whole || Number.isInteger(value))) settings[name] = value;
  }
  return settings;
}

function readFixed(values) {
  const fixed = {};
  for (const [name, text] of values) {
    if (!name.startsWith("p.")) continue;
    const value = readJson(text, text);
    fixed[name.slice(2)] = typeof value === "number" || Array.isArray(value) ? value : text;
  }
  return fixed;
}

function readMix(text) {
  if (text === "default") return structuredClone(known.defaultMix);
  const mix = readJson(text, []);
  if (!Array.isArray(mix)) return [];
  return mix.map((entry) => (typeof entry === "string" ? { name: entry } : entry)).filter((entry) => typeof entry?.name === "string");
}

export function startState(state, findPicture) {
  Object.assign(known, { given: state.pictures, pictures: [...state.pictures], defaultMix: state.default_mix, limits: state.limits, presets: state.presets });
  for (const motion of state.motions) known.motions.set(motion.name, motion);
  chosen.settings = defaults();
  keep({
    write,
    read: async (values) => {
      chosen.picture = await findPicture(values.get("picture"));
      chosen.parts = readParts(values.get("motion") ?? "zoom_in") ?? readParts("zoom_in");
      chosen.fixed = readFixed(values);
      chosen.settings = readSettings(values);
      chosen.focus = values.get("focus") === "subject";
      chosen.mix = readMix(values.get("mix"));
      chosen.mode = values.get("mode") === "mix" && chosen.mix.length ? "mix" : "one";
      const pin = readJson(values.get("pin"), null);
      chosen.pin = Array.isArray(pin?.motions) ? pin : null;
      chosen.seeds = values.get("seeds") === "1";
      stale = true;
    },
  });
  document.addEventListener("tab", (event) => {  // after the address was read; another tab asks for no clip
    if (event.detail !== "motions" || !stale) return;
    stale = false;
    for (const work of listeners) work(null);
  });
}
