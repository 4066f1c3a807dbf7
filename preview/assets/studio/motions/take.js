// Take a clip away: as a file, or as a text that makes it again.

import { ask, latest } from "../ask.js";
import { $, saveFile } from "../dom.js";
import { currentClip, listenShown } from "./clip.js";

export function startTake() {
  for (const button of $("save").querySelectorAll("button")) button.addEventListener("click", () => save(button));
  $("copy").addEventListener("click", copy);
  $("form-of-text").addEventListener("change", showText);
  listenShown(showText);
}

function showText() {
  const clip = currentClip();
  if (!clip) return;
  $("yaml").textContent = clip.texts[$("form-of-text").value];
}

const save = latest(async (signal, button) => {
  const { asked, motion } = currentClip();
  button.disabled = true;
  try {
    const answer = await ask(`/api/save?as=${button.value}`, { post: asked, signal });
    saveFile(await answer.blob(), `${motion.replace(/[^a-z0-9_]+/g, "-")}-seed${asked.seed}.${button.value}`);
  } finally {
    button.disabled = false;
  }
});

async function copy() {
  try {
    await navigator.clipboard.writeText($("yaml").textContent);
    $("copied").textContent = "copied";
  } catch {
    getSelection().selectAllChildren($("yaml"));
    $("copied").textContent = "selected; press Ctrl+C";
  }
  setTimeout(() => { $("copied").textContent = ""; }, 3000);
}
