// Errors where the eye is: next to the field that is wrong, or in a box that stays in view while the page scrolls.

import { $, h } from "./dom.js";

const SECONDS_OF_A_NOTE = 5;
let noteTimer = 0;

export function say(problem) {
  $("problem-text").textContent = problem || "";
  $("problem").hidden = !problem;
}

export function note(text) {
  $("note").textContent = text;
  $("note").hidden = false;
  clearTimeout(noteTimer);
  noteTimer = setTimeout(() => { $("note").hidden = true; }, SECONDS_OF_A_NOTE * 1000);
}

// Marks a control and writes the reason below it. `by` is "page" or "server": success of a request clears the server's.
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

export function settled() {
  say("");
  document.querySelectorAll('[data-wrong="server"]').forEach(right);
}

export function report(error) {
  const controls = (error.fields ?? []).flatMap((name) => [...document.querySelectorAll(`[data-field="${CSS.escape(name)}"]`)]);
  const shown = controls.filter((control) => control.checkVisibility());
  if (!shown.length) return say(error.message);
  say("");
  wrong(shown[0], error.message, "server");
  for (const control of shown.slice(1)) { control.setAttribute("aria-invalid", "true"); control.dataset.wrong = "server"; }
  if (!inView(shown[0])) say(error.message);
}

export function inView(element) {
  const box = element.getBoundingClientRect();
  return box.bottom > 0 && box.top < innerHeight;
}

export function startNotices() {
  $("problem-close").addEventListener("click", () => say(""));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !document.querySelector("dialog[open]")) say(""); });
}
