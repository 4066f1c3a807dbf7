// Every motion on the picture, in motion.

import { $, breakable, h, press } from "../dom.js";
import { oneStop } from "../stops.js";
import { known, listen, motionText, pickMotion } from "./state.js";

export function startGallery() {
  for (const motion of known.motions.values()) {
    $("gallery").append(h("button", { "aria-pressed": "false", title: motion.help, "data-motion": motion.name, onclick: () => pickMotion(motion.name) },
      h("img", { alt: "", width: 128, height: 128 }), h("span", {}, breakable(motion.name))));
  }
  oneStop($("gallery"));
  listen(() => press($("gallery").children, "motion", motionText()));
}
