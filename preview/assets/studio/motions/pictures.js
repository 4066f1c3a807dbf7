// The pictures to choose from, and those that are dropped, chosen or pasted.

import { api } from "../ask.js";
import { $, calm, h, press } from "../dom.js";
import { note, right, say, wrong } from "../notices.js";
import { oneStop } from "../stops.js";
import { changed, chosen, known, listen } from "./state.js";

const KEPT = "zoetrope.dropped"; // pictures that this tab of the browser has dropped
let shown = null;

export function startPictures() {
  for (const picture of readKept()) if (!known.pictures.some(({ id }) => id === picture.id)) known.pictures.push(picture);
  known.pictures.forEach(addTile);
  oneStop($("pictures"));
  listen(showPicture);
  $("file").addEventListener("change", async () => { await take($("file").files); $("file").value = ""; });
  document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").classList.remove("over"); });
  document.addEventListener("drop", (event) => { event.preventDefault(); $("drop").classList.remove("over"); take(event.dataTransfer.files); });
  document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) take(event.clipboardData.files); });
}

// The picture of a name or id in the address. Others may share the address of a picture that they have dropped.
export async function findPicture(name) {
  const found = known.pictures.find((one) => one.id === name) ?? known.pictures.find((one) => one.name === name);
  if (found || !name) return found ?? known.pictures[0] ?? null;
  try {
    const picture = await api(`/api/pictures/${encodeURIComponent(name)}/about`);
    add(picture);
    return picture;
  } catch (error) {
    say(`${name.slice(0, 60)}: ${error.message}`);
    return known.pictures[0] ?? null;
  }
}

function readKept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "[]").filter((one) => typeof one?.id === "string" && typeof one?.name === "string");
  } catch {
    return [];
  }
}

function add(picture) {
  known.pictures.push(picture);
  addTile(picture);
  sessionStorage.setItem(KEPT, JSON.stringify([...readKept(), picture]));
}

function addTile({ id, name }) {
  const pick = () => { chosen.picture = { id, name }; changed(null); };
  const tile = h("button", { "aria-pressed": "false", title: name, "aria-label": name, "data-picture": id, onclick: pick },
    h("img", { alt: "", loading: "lazy", src: `/api/pictures/${id}`, onerror: () => tile.remove() }));
  $("pictures").append(tile);
}

async function take(files) {
  const problems = [];
  const taken = [];
  right($("file"));
  say("");
  for (const file of files) {
    $("drop").classList.add("busy");
    try {
      const picture = await api(`/api/pictures?name=${encodeURIComponent(file.name)}`, { body: file });
      add(picture);
      taken.push(picture);
      if (taken.length === 1) { chosen.picture = picture; changed(null); }
    } catch (error) {
      problems.push(error.message);
    }
  }
  $("drop").classList.remove("busy");
  if (taken.length > 1) note(`${taken.length} pictures added`);
  if (!problems.length) return;
  const text = problems.slice(0, 3).join("; ") + (problems.length > 3 ? `; and ${problems.length - 3} more` : "");
  wrong($("file"), text);
  say(text);
}

function showPicture() {
  const id = chosen.picture?.id;
  $("edit").hidden = !id;
  if (!id || id === shown) return;
  shown = id;
  press($("pictures").children, "picture", id);
  $("pictures").querySelector('[aria-pressed="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  $("picture-name").textContent = chosen.picture.name;
  for (const tile of $("gallery").children) {
    tile.firstChild.src = `/api/pictures/${id}/motions/${tile.dataset.motion}${calm ? "?still=1" : ""}`;
  }
  $("path").replaceChildren(h("img", { alt: "The picture", src: `/api/pictures/${id}?side=640` }),
    h("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }));
}
