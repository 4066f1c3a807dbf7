// The Motions tab: picture -> every motion -> one motion with its parameters -> clip, path, curves, texts.

import { startClip } from "./clip.js";
import { startCompare } from "./compare.js";
import { startGallery } from "./gallery.js";
import { startMix } from "./mix.js";
import { startParameters } from "./parameters.js";
import { findPicture, startPictures } from "./pictures.js";
import { startPresets } from "./presets.js";
import { startSeeds } from "./seeds.js";
import { startSettings } from "./settings.js";
import { startState } from "./state.js";
import { startTake } from "./take.js";

export function startMotions(state) {
  startState(state, findPicture);
  document.getElementById("samples-note").hidden = !state.samples;
  startGallery();
  startPictures();
  startPresets();
  startParameters();
  startSettings();
  startMix();
  startCompare();
  startSeeds();
  startTake();
  startClip();
}
