// Requests to the server. A failed request throws an error with one line of text and the fields it names.

import { report, say, settled } from "./notices.js";

let owners = 0;

export async function ask(path, { post, body, signal } = {}) {
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
  if (response.ok) return response;
  const values = await response.json().catch(() => ({}));
  throw Object.assign(new Error(values.error || `error ${response.status}`), { fields: values.fields ?? [], status: response.status });
}

export const api = async (path, options) => (await ask(path, options)).json();

// Runs the latest call only: a new call aborts the previous one. Its error is shown, and its next success removes it.
// A `quiet` one runs along with another that names the fields, and shows its own error in the box alone.
export function latest(work, { quiet = false } = {}) {
  let running = null;
  const owner = (owners += 1);
  return async (...args) => {
    running?.abort();
    const mine = (running = new AbortController());
    try {
      await work(mine.signal, ...args);
      if (mine === running) settled(owner);
    } catch (error) {
      if (error.name === "AbortError" || mine !== running) return;
      if (quiet) say(error.message, owner);
      else report(error, owner);
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
