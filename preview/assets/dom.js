// Elements are made without HTML strings, so text is always text. A failed request shows its reason.

export const $ = (id) => document.getElementById(id);
export const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

export function h(tag, attributes = {}, ...children) {
  const svg = ["svg", "polygon", "polyline", "line"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function say(problem) {
  const line = $("problem");
  line.textContent = problem || "";
  line.hidden = !problem;
}

export async function api(path, { post, body, signal } = {}) {
  const options = { signal };
  if (post !== undefined) Object.assign(options, { method: "POST", body: JSON.stringify(post), headers: { "Content-Type": "application/json" } });
  if (body !== undefined) Object.assign(options, { method: "POST", body });
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio does not answer; is it still running?");
  }
  const values = await response.json();
  if (!response.ok) throw new Error(values.error || `error ${response.status}`);
  return values;
}

// Runs the latest call only: a new call aborts the previous one.
export function latest(work) {
  let running = null;
  return async (...args) => {
    running?.abort();
    const mine = (running = new AbortController());
    try {
      await work(mine.signal, ...args);
      if (mine === running) say("");
    } catch (error) {
      if (error.name !== "AbortError" && mine === running) say(error.message);
    }
  };
}

export function later(work, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}

export const number = (value, digits = 3) => Number(value).toLocaleString("en", { maximumSignificantDigits: digits });
export const count = (value) => Number(value).toLocaleString("en");
