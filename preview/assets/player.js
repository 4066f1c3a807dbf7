// Plays frames on a canvas at their frame rate. Mouse and keyboard stop, step and scrub.

import { calm, h } from "./dom.js";

export class Player {
  constructor(root, onframe) {
    this.frames = [];
    this.fps = 8;
    this.at = 0;
    this.playing = !calm;
    this.onframe = onframe;
    this.canvas = h("canvas", { width: 224, height: 224, role: "img", "aria-label": "The clip" });
    this.button = h("button", { onclick: () => this.play(!this.playing) });
    this.scrub = h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Frame", oninput: () => { this.play(false); this.show(Number(this.scrub.value)); } });
    this.label = h("span", { class: "soft number" });
    root.append(h("div", { class: "screen" }, this.canvas), h("div", { class: "transport" }, this.button, this.scrub, this.label));
    this.play(this.playing);
    requestAnimationFrame((now) => this.tick(now));
  }

  async load(sources, fps) {
    const images = await Promise.all(sources.map(async (source) => {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${source}`;
      await image.decode();
      return image;
    }));
    this.frames = images;
    this.fps = fps;
    this.canvas.width = images[0].naturalWidth;
    this.canvas.height = images[0].naturalHeight;
    this.scrub.max = images.length - 1;
    this.show(Math.min(this.at, images.length - 1));
  }

  play(on) {
    this.playing = on;
    this.button.textContent = on ? "Pause" : "Play";
    this.started = null;
  }

  tick(now) {
    if (this.playing && this.frames.length) {
      this.started ??= now - (this.at * 1000) / this.fps;
      this.show(Math.floor(((now - this.started) * this.fps) / 1000) % this.frames.length);
    }
    requestAnimationFrame((next) => this.tick(next));
  }

  show(index) {
    if (!this.frames.length) return;
    this.at = index;
    const frame = this.frames[index];
    if (this.drawn !== frame) {
      this.canvas.getContext("2d").drawImage(frame, 0, 0);
      this.drawn = frame;
      this.scrub.value = index;
      this.label.textContent = `${index} / ${this.frames.length - 1}`;
      this.onframe(index);
    }
  }
}
