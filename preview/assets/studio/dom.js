// Elements are made without HTML strings, so text is always text.

export const $ = (id) => document.getElementById(id);
export const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const SVG = ["svg", "polygon", "polyline", "line"];

export function h(tag, attributes = {}, ...children) {
  const element = SVG.includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const number = (value, digits = 3) => Number(value).toLocaleString("en", { maximumSignificantDigits: digits });
export const count = (value) => Number(value).toLocaleString("en");

// Long names may break after an underscore or an operator, not in the middle of a word.
export const breakable = (name) => name.split(/(?<=[_+>|])/).flatMap((part) => [part, h("wbr")]);

export function press(buttons, name, value) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset[name] === value));
}

export function options(select, entries, chosen = select.value) {
  select.replaceChildren(...entries.map(([value, text]) => h("option", { value }, text)));
  select.value = chosen;
}

export function saveFile(data, name, type) {
  const blob = data instanceof Blob ? data : new Blob([data], { type });
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
