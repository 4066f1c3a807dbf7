// What the Shards tab asks for, and its place in the address.

import { keep, remember } from "../address.js";

export const MEASURES = { zoom: "zoom", short_side: "shorter side of the picture", aspect: "aspect of the picture", caption_length: "length of the caption", sample_bytes: "size of the sample" };
const TEXTS = ["caption", "motion", "source", "sort"];
const START = { output: "", caption: "", motion: "", source: "", sort: "", tagged: "", page: 1, clip: null };
export const asked = { ...START, ranges: {} };
const listeners = [];

export const listen = (work) => listeners.push(work);
export const base = () => `/api/outputs/${asked.output || 0}`;

// Changes some of what is asked for. Another question starts at its first page.
export function ask(values, what = null) {
  Object.assign(asked, "page" in values || "clip" in values ? {} : { page: 1 }, values);
  changed(what);
}

export function changed(what) {
  remember(what);
  for (const work of listeners) work(what);
}

export function query() {
  const values = new URLSearchParams();
  for (const name of TEXTS) if (asked[name]) values.set(name, asked[name]);
  for (const [name, range] of Object.entries(asked.ranges)) values.set(name, range);
  return values;
}

export function startState() {
  keep({
    write: () => {
      const values = Object.fromEntries(query());
      for (const name of ["output", "tagged", "clip"]) values[name] = asked[name];
      values.page = asked.page > 1 ? asked.page : null;
      return values;
    },
    read: (values) => {
      for (const name of [...TEXTS, "tagged"]) asked[name] = values.get(name) ?? "";
      asked.output = /^\d{1,4}$/.test(values.get("output") ?? "") ? values.get("output") : "";
      asked.page = Math.max(1, Math.floor(Number(values.get("page"))) || 1);
      asked.clip = /^\d+$/.test(values.get("clip") ?? "") ? Number(values.get("clip")) : null;
      asked.ranges = Object.fromEntries(Object.keys(MEASURES).filter((name) => values.get(name)).map((name) => [name, values.get(name)]));
      for (const work of listeners) work("address");
    },
  });
}
