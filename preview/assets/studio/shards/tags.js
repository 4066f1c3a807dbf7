// Tags on samples, kept by this browser for each output, and their keys as a list or a filter.

import { api, latest } from "../ask.js";
import { $, count, h, options, saveFile } from "../dom.js";
import { note, right, wrong } from "../notices.js";
import { ask, asked, base, listen, query } from "./state.js";

const TAG = /^[a-z][a-z0-9_]{0,29}$/;
const KEY = /^[a-z0-9_-]{1,90}$/; // what a key of an output consists of; a foreign table may hold anything
const MOST = 50_000;
let outputs = [];
let tags = new Map(); // key -> {tag, at: position}

export function startTags(uris) {
  outputs = uris;
  $("tag-all").addEventListener("click", () => tagAll());
  $("tag").addEventListener("change", () => { checkTag(); });
  $("tagged").addEventListener("change", () => ask({ tagged: $("tagged").value }));
  $("untag").addEventListener("click", untagAll);
  $("export-keys").addEventListener("click", () => exportKeys());
  $("export-filter").addEventListener("click", () => exportFilter());
  listen(() => { read(); show(); });
}

export const tagOf = (key) => tags.get(key)?.tag ?? "";

export function positionsOf(tag) {
  return [...tags.values()].filter((one) => one.tag === tag).map(({ at }) => at).sort((a, b) => a - b);
}

// Tags a sample, or takes the same tag off it.
export function toggle({ key, position }) {
  const tag = checkTag();
  if (!tag) return;
  if (tagOf(key) === tag) tags.delete(key);
  else tags.set(key, { tag, at: position });
  write();
}

const place = () => `zoetrope.tags:${outputs[asked.output || 0] ?? ""}`;

function read() {
  tags = new Map();
  try {
    for (const [key, tag, at] of JSON.parse(localStorage.getItem(place()) ?? "[]")) if (TAG.test(tag)) tags.set(String(key), { tag, at: Number(at) });
  } catch {
    tags = new Map();
  }
}

function write() {
  localStorage.setItem(place(), JSON.stringify([...tags].map(([key, { tag, at }]) => [key, tag, at])));
  show();
  document.dispatchEvent(new CustomEvent("tags"));
}

function checkTag() {
  const tag = $("tag").value.trim();
  right($("tag"));
  if (TAG.test(tag)) return tag;
  wrong($("tag"), "A tag consists of a-z, 0-9 and _, and starts with a letter.");
  return null;
}

function counts() {
  const found = new Map();
  for (const { tag } of tags.values()) found.set(tag, (found.get(tag) ?? 0) + 1);
  return [...found].sort();
}

function show() {
  const found = counts();
  options($("tagged"), [["", "all clips"], ...found.map(([tag, amount]) => [tag, `tagged ${tag} (${count(amount)})`])], found.some(([tag]) => tag === asked.tagged) ? asked.tagged : "");
  $("tag-names").replaceChildren(...found.map(([tag]) => h("option", { value: tag })));
  $("tag-actions").hidden = !found.length;
}

const tagAll = latest(async (signal) => {
  const tag = checkTag();
  if (!tag) return;
  const { keys, positions } = await api(`${base()}/keys?${query()}`, { signal });
  const fresh = keys.filter((key) => !tags.has(key)).length;
  if (tags.size + fresh > MOST) return wrong($("tag"), `This browser keeps at most ${count(MOST)} tags for an output; export and remove some first.`);
  keys.forEach((key, i) => tags.set(key, { tag, at: positions[i] }));
  write();
  note(`${count(keys.length)} clips tagged ${tag}`);
});

// The tag that is shown, else the tag that is being given.
const exported = () => asked.tagged || checkTag();

function keysOf(tag) {
  const all = [...tags].filter(([, one]) => one.tag === tag).map(([key]) => key);
  const kept = all.filter((key) => KEY.test(key)).sort();
  if (!kept.length) note(`No clip is tagged ${tag}`);
  else note(all.length > kept.length ? `${count(all.length - kept.length)} keys are left out: they are none of an output` : `${count(kept.length)} keys exported`);
  return kept;
}

function exportKeys() {
  const tag = exported();
  const keys = tag ? keysOf(tag) : [];
  if (keys.length) saveFile(`${keys.join("\n")}\n`, `${tag}.txt`, "text/plain");
}

function exportFilter() {
  const tag = exported();
  const keys = tag ? keysOf(tag) : [];
  if (keys.length) saveFile(filterText(tag, keys), `tagged_${tag}.py`, "text/x-python");
}

const filterText = (tag, keys) => `"""Samples that were tagged ${tag} in the studio, as filters of \`zoetrope animate\`.

filters=[tagged_${tag}:drop] leaves them out; filters=[tagged_${tag}:keep] keeps them alone.
"""

KEYS = frozenset(
    """
${keys.join("\n")}
""".split()
)


def drop(reference):
    return "tagged ${tag}" if reference.key in KEYS else None


def keep(reference):
    return None if reference.key in KEYS else "not tagged ${tag}"
`;

function untagAll() {
  const tag = exported();
  if (!tag) return;
  for (const [key, one] of [...tags]) if (one.tag === tag) tags.delete(key);
  write();
  if (asked.tagged === tag) ask({ tagged: "" });
}
