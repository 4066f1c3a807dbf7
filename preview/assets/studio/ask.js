// Requests to the server. A failed request throws an error with one line of text and the fields it names.

import { report, settled } from "./notices.js";

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

// Runs the latest call only: a new call aborts the previous one. An error is shown, and success removes it, except
// that of a `quiet` one, which runs along with another.
export function latest(work, { quiet = false } = {}) {
  let running = null;
  return async (...args) => {
    running?.abort();
    const mine = (running = new AbortController());
    try {
      await work(mine.signal, ...args);
      if (mine === running && !quiet) settled();
    } catch (error) {
      if (error.name !== "AbortError" && mine === running) report(error);
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
