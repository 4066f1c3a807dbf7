// Errors where the eye is: next to the field that is wrong, or in a box that stays in view while the page scrolls.

import { $, h } from "./dom.js";

const SECONDS_OF_A_NOTE = 5;
let noteTimer = 0;
let ownerOfBox = null;

// Several parts of the page ask the server at once. `owner` is the part that failed; its next success clears its errors.
export function say(problem, owner = null) {
  $("problem-text").textContent = problem || "";
  $("problem").hidden = !problem;
  ownerOfBox = owner;
}

export function note(text) {
  $("note").textContent = text;
  $("note").hidden = false;
  clearTimeout(noteTimer);
  noteTimer = setTimeout(() => { $("note").hidden = true; }, SECONDS_OF_A_NOTE * 1000);
}

// Marks a control and writes the reason below it. `by` is "page", or the owner of a request that the server refused.
export function wrong(control, reason, by = "page") {
  const id = `${control.id}-problem`;
  const line = $(id) ?? h("p", { id, class: "field-problem", role: "alert" });
  line.textContent = reason;
  if (!line.isConnected) (control.closest("[data-row]") ?? control.parentElement).append(line);
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-errormessage", id);
  control.dataset.wrong = by;
}

export function right(control) {
  control.removeAttribute("aria-invalid");
  control.removeAttribute("aria-errormessage");
  delete control.dataset.wrong;
  $(`${control.id}-problem`)?.remove();
}

export function settled(owner) {
  if (ownerOfBox === owner) say("");
  document.querySelectorAll(`[data-wrong="${owner}"]`).forEach(right);
}

export function report(error, owner) {
  const controls = (error.fields ?? []).flatMap((name) => [...document.querySelectorAll(`[data-field="${CSS.escape(name)}"]`)]);
  const shown = controls.filter((control) => control.checkVisibility());
  settled(owner);
  if (!shown.length) return say(error.message, owner);
  wrong(shown[0], error.message, owner);
  for (const control of shown.slice(1)) { control.setAttribute("aria-invalid", "true"); control.dataset.wrong = owner; }
  if (!inView(shown[0])) say(error.message, owner);
}

export function inView(element) {
  const box = element.getBoundingClientRect();
  return box.bottom > 0 && box.top < innerHeight;
}

export function startNotices() {
  $("problem-close").addEventListener("click", () => say(""));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !document.querySelector("dialog[open]")) say(""); });
}
