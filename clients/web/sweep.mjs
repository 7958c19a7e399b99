// The latency of the audio, out and in again: a sweep is played, and found in what is recorded (accomp/server/calibrate.py).

import { RATE } from "./timeline.mjs";

const LENGTH = 2048, LEAST = 0.5; // samples; correlation below which nothing was found
export const LONGEST = RATE; // samples; no longer latency is looked for

/** A sine sweep of 46 ms from 300 Hz to 6 kHz, faded at both ends, peak 0.5. */
export function sweep() {
  return Float32Array.from({ length: LENGTH }, (_, k) => {
    const t = k / LENGTH, phase = ((2 * Math.PI * LENGTH) / RATE) * (300 * t + (5700 / 2) * t * t);
    return 0.5 * Math.sin(phase) * (0.5 - 0.5 * Math.cos((2 * Math.PI * k) / (LENGTH - 1)));
  });
}

/** Where the sweep lies in what was recorded, in samples; null where it does not. */
export function locate(recorded) {
  const click = sweep();
  const power = click.reduce((sum, x) => sum + x * x, 0);
  let energy = 0, best = 0, place = null;
  for (let k = 0; k < LENGTH; k++) energy += recorded[k] ** 2;
  for (let start = 0; start + LENGTH < recorded.length; start++) {
    let match = 0;
    for (let k = 0; k < LENGTH; k++) match += recorded[start + k] * click[k];
    const score = Math.abs(match) / Math.sqrt(Math.max(energy, 1e-9) * power);
    if (score > Math.max(best, LEAST)) [best, place] = [score, start];
    energy += recorded[start + LENGTH] ** 2 - recorded[start] ** 2;
  }
  return place;
}
