// The Motions tab: picture -> every motion -> one motion with its parameters -> clip, path, curves, config.

import { $, api, calm, h, later, latest, number, say } from "./dom.js";
import { Player } from "./player.js";

const TIMING = ["easing", "speed", "hold_start", "hold_end"];
const SETTINGS = [
  { name: "seed", label: "Seed", low: 0, high: 9007199254740991, step: 1, value: 0, help: "each seed gives another draw" },
  { name: "frames", label: "Frames", low: 1, high: 120, step: 1, value: 12 },
  { name: "fps", label: "Frames per second", low: 1, high: 60, step: 0.5, value: 8 },
  { name: "width", label: "Width (px)", low: 16, high: 1024, step: 1, value: 224 },
  { name: "height", label: "Height (px)", low: 16, high: 1024, step: 1, value: 224 },
];
const CURVES = [
  { title: "Zoom (x)", names: ["zoom"], span: 0.1 },
  { title: "Position x (of the width)", names: ["x"], span: 0.1 },
  { title: "Position y (of the height)", names: ["y"], span: 0.1 },
  { title: "Angle (degrees)", names: ["angle"], span: 2 },
  { title: "Keystone (long / short side)", names: ["keystone"], span: 0.05, only: (values) => Math.max(...values) > 1.001 },
];
const STOPS = [[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]];

const chosen = { picture: null, parts: [], fixed: {}, mode: "one", mix: [] };
let motions, player, defaultMix, sliders, clip;

export function startMotions(state) {
  motions = new Map(state.motions.map((motion) => [motion.name, motion]));
  defaultMix = state.default_mix;
  player = new Player($("player"), showFrame);
  state.pictures.forEach(addPicture);
  for (const motion of motions.values()) {
    const tile = h("button", { "aria-pressed": "false", title: motion.help, "data-motion": motion.name, onclick: () => pickMotion(motion.name) },
      h("img", { alt: "", width: 128, height: 128 }), h("span", {}, breakable(motion.name)));
    $("gallery").append(tile);
  }
  $("settings").append(...SETTINGS.map(settingRow));
  $("focus").addEventListener("change", () => changed());
  $("file").addEventListener("change", () => drop($("file").files[0]));
  document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => { event.preventDefault(); $("drop").classList.remove("over"); drop(event.dataTransfer.files[0]); });
  for (const mode of ["one", "mix"]) $(`mode-${mode}`).addEventListener("change", () => { chosen.mode = mode; showMix(); changed(); });
  $("mix-add").addEventListener("click", () => { chosen.mix.push({ ...currentMotion(), weight: 1 }); showMix(); changed(); });
  $("mix-default").addEventListener("click", () => { chosen.mix = structuredClone(defaultMix); $("mode-mix").click(); showMix(); changed(); });
  $("copy").addEventListener("click", copyConfig);
  if (state.pictures.length) pickPicture(state.pictures[0].id);
}

// pictures

function addPicture({ id, name }) {
  const button = h("button", { "aria-pressed": "false", title: name, "aria-label": name, "data-picture": id, onclick: () => pickPicture(id) },
    h("img", { alt: "", loading: "lazy", src: `/api/pictures/${id}` }));
  $("pictures").append(button);
}

async function drop(file) {
  if (!file) return;
  try {
    const picture = await api(`/api/pictures?name=${encodeURIComponent(file.name)}`, { body: file });
    addPicture(picture);
    pickPicture(picture.id);
    say("");
  } catch (error) {
    say(error.message);
  }
}

function pickPicture(id) {
  chosen.picture = id;
  press("pictures", "picture", id);
  for (const tile of $("gallery").children) {
    tile.firstChild.src = `/api/pictures/${id}/motions/${tile.dataset.motion}${calm ? "?still=1" : ""}`;
  }
  $("path").replaceChildren(h("img", { alt: "The picture", src: `/api/pictures/${id}?side=640` }), h("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }));
  if (chosen.parts.length) changed();
  else pickMotion("zoom_in");
}

// Long names may break after an underscore or a plus, not in the middle of a word.
const breakable = (name) => name.split(/(?<=[_+])/).flatMap((part) => [part, h("wbr")]);

function press(container, name, value) {
  for (const button of $(container).children) button.setAttribute("aria-pressed", String(button.dataset[name] === value));
}

// motion and parameters

function pickMotion(name) {
  chosen.parts = [name];
  chosen.fixed = {};
  chosen.mode = "one";
  $("mode-one").checked = true;
  press("gallery", "motion", name);
  showMotion();
  changed();
}

function showMotion() {
  const others = [...motions.keys()].filter((name) => !chosen.parts.includes(name) && name !== "static");
  const add = h("select", { "aria-label": "Combine with another motion", onchange: () => { chosen.parts.push(add.value); showMotion(); changed(); } },
    h("option", { value: "" }, "+ combine with"), others.map((name) => h("option", {}, name)));
  $("parts").replaceChildren(...chosen.parts.map(partChip), add);
  $("motion-help").textContent = chosen.parts.map((name) => motions.get(name).help).join(" ");
  sliders = new Map();
  const rows = [];
  for (const part of chosen.parts) {
    for (const parameter of motions.get(part).parameters) {
      const address = TIMING.includes(parameter.name) || chosen.parts.length === 1 ? parameter.name : `${part}.${parameter.name}`;
      if (sliders.has(address)) continue;
      const row = parameterRow(address, parameter);
      sliders.set(address, row);
      rows.push([TIMING.includes(parameter.name), row.element]);
    }
  }
  for (const address of Object.keys(chosen.fixed)) if (!sliders.has(address)) delete chosen.fixed[address];
  $("parameters").replaceChildren(...rows.sort((a, b) => a[0] - b[0]).map((row) => row[1]));
}

function partChip(name) {
  const remove = h("button", { "aria-label": `Remove ${name}`, onclick: () => { chosen.parts = chosen.parts.filter((part) => part !== name); showMotion(); changed(); } }, "×");
  return h("span", { class: "chip" }, name, chosen.parts.length > 1 ? remove : null);
}

function parameterRow(address, parameter) {
  const range = Array.isArray(parameter.default) ? parameter.default : [parameter.default];
  const id = `p-${address}`;
  const row = parameter.choices.length ? choiceRow(address, parameter, id) : sliderRow(address, parameter, id);
  const draw = h("button", { class: "draw", title: "back to the default", "aria-label": `${address}: back to the default`, onclick: () => { delete chosen.fixed[address]; row.refresh(); changed(); } });
  const element = h("div", { class: "parameter" },
    h("div", { class: "head" }, h("label", { for: id }, address), h("span", { class: "help" }, parameter.help)),
    h("div", { class: "turn" }, ...row.inputs, draw), row.ends);
  row.refresh = () => {
    const free = !(address in chosen.fixed);
    element.classList.toggle("auto", free);
    draw.disabled = free;
    draw.textContent = free ? (range.length > 1 ? "drawn" : "default") : "reset";
    if (free) row.set(range[0]);
    else row.set(chosen.fixed[address]);
  };
  row.refresh();
  return { element, drawn: (value) => { if (!(address in chosen.fixed)) row.set(value); }, refresh: row.refresh };
}

function choiceRow(address, parameter, id) {
  const select = h("select", { id, onchange: () => fix(address, select.value) }, parameter.choices.map((name) => h("option", {}, name)));
  return { inputs: [select, h("span")], ends: null, set: (value) => { select.value = value; } };
}

function sliderRow(address, { low, high, log, unit }, id) {
  const steps = 1000;
  const toValue = (place) => (log ? low * (high / low) ** (place / steps) : low + ((high - low) * place) / steps);
  const toPlace = (value) => steps * (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
  const slider = h("input", { type: "range", id, min: 0, max: steps, step: 1, "aria-describedby": `${id}-ends` });
  const box = h("input", { type: "number", min: low, max: high, step: "any", "aria-label": `${address} in ${unit || "units"}` });
  const spoken = (value) => slider.setAttribute("aria-valuetext", `${number(value)} ${unit}`);
  slider.addEventListener("input", () => { const value = Number(toValue(Number(slider.value)).toPrecision(3)); box.value = value; spoken(value); fix(address, Math.min(Math.max(value, low), high)); });
  box.addEventListener("change", () => {
    const value = Number(box.value);
    if (box.value === "" || !(value >= low && value <= high)) return say(`${address} = ${box.value}: it must be ${number(low)} to ${number(high)} ${unit}`);
    slider.value = toPlace(value);
    fix(address, value);
  });
  const ends = h("div", { class: "ends", id: `${id}-ends` }, h("span", {}, number(low)), h("span", {}, `${number(high)} ${unit}`));
  return { inputs: [slider, box], ends, set: (value) => { slider.value = toPlace(value); box.value = Number(Number(value).toPrecision(4)); spoken(value); } };
}

function fix(address, value) {
  chosen.fixed[address] = value;
  const row = sliders.get(address);
  row.element.classList.remove("auto");
  const draw = row.element.querySelector(".draw");
  draw.disabled = false;
  draw.textContent = "reset";
  if (chosen.mode === "mix") $("mode-one").click();
  changed();
}

function settingRow({ name, label, low, high, step, value, help }) {
  const box = h("input", { type: "number", id: `s-${name}`, min: low, max: high, step, value, onchange: () => changed() });
  const another = name === "seed" ? h("button", { onclick: () => { box.value = Math.floor(Math.random() * 1e6); changed(); } }, "Another") : null;
  return h("div", { class: "setting" }, h("label", { for: `s-${name}` }, label), box, another, help ? h("span", { class: "soft" }, help) : null);
}

// mix

function currentMotion() {
  return { name: chosen.parts.join("+"), ...chosen.fixed };
}

function showMix() {
  $("mix").replaceChildren(...chosen.mix.map((entry, index) => {
    const rest = Object.entries(entry).filter(([name]) => name !== "name" && name !== "weight").map(([name, value]) => ` ${name}=${Array.isArray(value) ? `[${value.join(", ")}]` : value}`);
    const shown = h("span", { class: "number" }, number(entry.weight ?? 1));
    const slider = h("input", { type: "range", min: 0, max: 10, step: 0.1, value: entry.weight ?? 1, "aria-label": `weight of ${entry.name}` });
    slider.addEventListener("input", () => { entry.weight = Number(slider.value); shown.textContent = number(entry.weight); if (chosen.mode === "mix") changed(); });
    const remove = h("button", { "aria-label": `Remove ${entry.name} from the mix`, onclick: () => { chosen.mix.splice(index, 1); showMix(); changed(); } }, "×");
    return h("div", { class: "entry" }, h("code", {}, entry.name, ...rest), slider, shown, remove);
  }));
  $("mode-mix").disabled = !chosen.mix.length;
  if (!chosen.mix.length) { chosen.mode = "one"; $("mode-one").checked = true; }
  if (chosen.mode === "one") $("draws").replaceChildren();
}

// clip

function request() {
  const settings = Object.fromEntries(SETTINGS.map(({ name }) => [name, Number($(`s-${name}`).value)]));
  const focus = $("focus").checked ? "subject" : "any";
  return { picture: chosen.picture, motions: chosen.mode === "mix" ? chosen.mix : [currentMotion()], focus, ...settings };
}

const fetchClip = latest(async (signal) => {
  $("player").classList.add("busy");
  try {
    const asked = request();
    clip = await api("/api/clip", { post: asked, signal });
    await player.load(clip.frames, asked.fps);
    showClip(asked);
  } finally {
    if (!signal.aborted) $("player").classList.remove("busy");
  }
  if (chosen.mode === "mix") showDraws((await api("/api/draws", { post: request(), signal })).draws);
});
const changed = later(() => { if (chosen.picture) { $("edit").hidden = false; fetchClip(); } }, 40);

// Usual values of the pace are left out: its sliders show them.
function isUsual(name, value) {
  const last = name.split(".").pop();
  const part = name.includes(".") ? name.split(".")[0] : clip.motion.split("+")[0];
  return TIMING.includes(last) && motions.get(part)?.parameters.some((one) => one.name === last && one.default === value);
}

function showClip(asked) {
  const entries = Object.entries(clip.parameters);
  const unusual = entries.filter(([name, value]) => !isUsual(name, value));
  $("drawn").textContent = `${clip.motion}${unusual.length ? ": " : ""}${unusual.map(([name, value]) => `${name} ${typeof value === "number" ? number(value, 4) : value}`).join(", ")}`;
  $("yaml").textContent = clip.yaml;
  if (chosen.mode === "one") {
    for (const [name, value] of entries) (sliders.get(name) ?? (TIMING.includes(name.split(".").pop()) ? null : sliders.get(name.split(".").pop())))?.drawn(value);
  }
  showPath();
  showCurves(asked);
  showFrame(player.at);
  $("player").dataset.version = String(Number($("player").dataset.version || 0) + 1);
}

function timeColour(progress) {
  const at = progress * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  return `rgb(${STOPS[low].map((value, i) => Math.round(value + (at - low) * (STOPS[low + 1][i] - value))).join(" ")})`;
}

const corners = (quad) => quad.map((point) => point.join(",")).join(" ");

function showPath() {
  const last = clip.quads.length - 1;
  const step = Math.max(1, Math.ceil(clip.quads.length / 24));
  const outlines = clip.quads.map((quad, t) => (t % step && t !== last ? null
    : h("polygon", { points: corners(quad), stroke: timeColour(last ? t / last : 0), class: t === 0 || t === last ? "end" : "" })));
  $("path").querySelector("svg").replaceChildren(...outlines.filter(Boolean), h("polygon", { class: "now", points: "" }));
}

function showCurves(asked) {
  const seconds = clip.curves.seconds;
  const charts = CURVES.filter(({ only, names }) => !only || only(clip.curves[names[0]])).map(({ title, names, span }) => {
    const values = clip.curves[names[0]];
    const middle = (Math.max(...values) + Math.min(...values)) / 2;
    const half = Math.max(Math.max(...values) - middle, span / 2) * 1.15;
    const place = (value, t) => `${seconds.length > 1 ? (100 * t) / (seconds.length - 1) : 50},${50 - (45 * (value - middle)) / half}`;
    const now = h("span", { "data-curve": names[0] });
    return h("figure", {}, h("figcaption", {}, title, now),
      h("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": `${title}: from ${number(values[0])} to ${number(values.at(-1))} in ${number(clip.quads.length / asked.fps)} seconds` },
        h("polyline", { points: values.map(place).join(" ") }), h("line", { y1: 0, y2: 100, x1: 0, x2: 0 })));
  });
  $("curves").replaceChildren(...charts);
}

function showFrame(index) {
  if (!clip || index >= clip.quads.length) return;
  $("path").querySelector(".now")?.setAttribute("points", corners(clip.quads[index]));
  const x = clip.quads.length > 1 ? (100 * index) / (clip.quads.length - 1) : 50;
  for (const line of $("curves").querySelectorAll("line")) { line.setAttribute("x1", x); line.setAttribute("x2", x); }
  for (const label of $("curves").querySelectorAll("[data-curve]")) label.textContent = number(clip.curves[label.dataset.curve][index]);
}

function showDraws(draws) {
  $("draws").replaceChildren(...draws.map(({ seed, motion, clip: webp }) => h("button",
    { title: `seed ${seed}`, onclick: () => { $("s-seed").value = seed; changed(); } },
    h("img", { alt: "", src: `data:image/webp;base64,${webp}` }), h("span", {}, breakable(motion), `, seed ${seed}`))));
}

async function copyConfig() {
  try {
    await navigator.clipboard.writeText($("yaml").textContent);
    $("copied").textContent = "copied";
  } catch {
    getSelection().selectAllChildren($("yaml"));
    $("copied").textContent = "selected; press Ctrl+C";
  }
  setTimeout(() => { $("copied").textContent = ""; }, 3000);
}
