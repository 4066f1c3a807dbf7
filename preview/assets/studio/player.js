// Plays one or two clips on canvases, in step. Mouse and keyboard stop, step and scrub.

import { calm, h } from "./dom.js";

export class Player {
  constructor(root, onframe) {
    this.onframe = onframe;
    this.fps = 8;
    this.at = 0;
    this.playing = !calm;
    this.main = new Track("The clip");
    this.other = new Track("The clip to compare with");
    this.other.element.hidden = true;
    this.button = h("button", { onclick: () => this.play(!this.playing) });
    this.scrub = h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Frame", oninput: () => { this.play(false); this.show(Number(this.scrub.value)); } });
    this.label = h("span", { class: "soft number" });
    this.screens = h("div", { class: "screens" }, this.main.element, this.other.element);
    root.append(this.screens, h("div", { class: "transport" }, this.button, this.scrub, this.label));
    this.play(this.playing);
    requestAnimationFrame((now) => this.tick(now));
  }

  async load(sources, fps, caption = "") {
    await this.main.load(sources, caption);
    this.fps = fps;
    this.scrub.max = this.main.frames.length - 1;
    this.show(Math.min(this.at, this.main.frames.length - 1));
  }

  // The other clip runs in step: at each moment both have come equally far.
  async compare(sources, caption) {
    if (sources) await this.other.load(sources, caption);
    else this.other.frames = [];
    this.other.element.hidden = !sources;
    this.main.caption.hidden = this.other.caption.hidden = !sources;
    this.screens.classList.toggle("two", Boolean(sources));
    this.show(this.at);
  }

  play(on) {
    this.playing = on;
    this.button.textContent = on ? "Pause" : "Play";
    this.started = null;
  }

  tick(now) {
    const total = this.main.frames.length;
    if (this.playing && total) {
      this.started ??= now - (this.at * 1000) / this.fps;
      this.show(Math.floor(((now - this.started) * this.fps) / 1000) % total);
    }
    requestAnimationFrame((next) => this.tick(next));
  }

  show(index) {
    const last = this.main.frames.length - 1;
    if (last < 0) return;
    this.at = index;
    const place = last ? index / last : 0;
    this.other.draw(Math.round(place * (this.other.frames.length - 1)));
    if (!this.main.draw(index)) return;
    this.scrub.value = index;
    this.label.textContent = `${index} / ${last}`;
    this.onframe(index);
  }
}

class Track {
  constructor(label) {
    this.frames = [];
    this.canvas = h("canvas", { width: 224, height: 224, role: "img", "aria-label": label });
    this.caption = h("figcaption", { class: "mono", hidden: true });
    this.element = h("figure", { class: "screen" }, this.canvas, this.caption);
  }

  async load(sources, caption) {
    const images = await Promise.all(sources.map(async (source) => {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${source}`;
      await image.decode();
      return image;
    }));
    this.frames = images;
    this.caption.textContent = caption;
    this.canvas.width = images[0].naturalWidth;
    this.canvas.height = images[0].naturalHeight;
    this.drawn = null;
  }

  draw(index) {
    const frame = this.frames[index];
    if (!frame || this.drawn === frame) return false;
    this.canvas.getContext("2d").drawImage(frame, 0, 0);
    this.drawn = frame;
    return true;
  }
}
