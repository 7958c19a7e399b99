// The audio of the page, without Web Audio: positions, capture, playback. The worklet calls it for every 128 frames.
//
// The timeline counts samples at 44.1 kHz since Play. Playback is at place p when frame origin + p * rate / 44100 sounds; what
// is recorded then was played `latency` samples ago, and has place p - latency.

import { Interpolator, Resampler } from "./resample.mjs";
import { Ring } from "./ring.mjs";
import { RATE, STEMS } from "./timeline.mjs";

const FADE_S = 0.02; // of an instrument that is turned off or on
const KEPT = 4410; // samples behind the playhead that are not yet cleared
const HEARD = 4410; // samples in a piece of what was heard

export class Engine {
  /** `tell` is given messages for the page. */
  constructor(rate, tell) {
    this.rate = rate;
    this.tell = tell;
    this.rings = STEMS.map(() => new Ring());
    this.levels = STEMS.map(() => 0);
    this.playing = false;
    this.gaps = 0;
    this.expected = null;
    this.peaks = [0, 0];
    this.output = new Interpolator(RATE, rate);
    this.sweep = null;
  }

  /** Begin at a frame of the audio context. */
  play(frame, settings, latency) {
    this.origin = frame;
    this.settings = this.next = settings;
    this.latency = latency;
    this.resampler = new Resampler(this.rate, RATE);
    this.captured = -latency; // place of the next recorded sample
    this.edge = 0; // where the step that is being recorded began
    this.batch = this.gaps = 0;
    this.step = new Float32Array(settings.step);
    this.heardAt = this.heardUntil = 0; // where the piece of heard samples begins, and where it ends so far
    this.heard = new Float32Array(HEARD);
    for (const ring of this.rings) ring.clear(0, ring.length);
    this.playing = true;
  }

  stop() {
    this.playing = false;
  }

  set(settings) {
    this.next = settings;
  }

  /** The place that sounds at a frame. */
  place(frame) {
    return ((frame - this.origin) * RATE) / this.rate;
  }

  /** An answer's chunk: laid in its place, and reported when a part of it comes too late. */
  chunk({ stem, batch, start, samples, from, fade }, frame) {
    if (!this.playing) return;
    this.rings[stem].write(start, samples, from, fade);
    const late = Math.round(this.place(frame)) - start;
    if (late > 0) this.tell({ type: "late", batch, samples: Math.min(late, samples.length) });
  }

  /** One block: `input` and `output` are (n,) at the context's rate. */
  process(frame, input, output) {
    if (this.expected !== null && frame !== this.expected) this.gaps++;
    const missed = this.playing && this.expected !== null ? Math.max(0, frame - Math.max(this.expected, this.origin)) : 0;
    this.expected = frame + output.length;
    for (const sample of input) this.peaks[0] = Math.max(this.peaks[0], Math.abs(sample));
    if (this.sweep) return this.measure(input, output);
    if (!this.playing || frame < this.origin) return;
    if (missed) this.capture(new Float32Array(missed)); // time has passed all the same
    this.capture(input.length ? input : new Float32Array(output.length));
    this.render(frame, output);
  }

  capture(input) {
    const samples = this.resampler.push(input);
    for (const sample of samples) {
      const inside = this.captured++ - this.edge;
      if (inside < 0) continue;
      this.step[inside] = sample;
      if (inside + 1 === this.settings.step) this.finish();
    }
  }

  finish() {
    const samples = this.step;
    this.edge += this.settings.step;
    this.tell({ type: "step", batch: ++this.batch, edge: this.edge, samples, settings: this.settings });
    this.settings = this.next;
    this.step = new Float32Array(this.settings.step);
  }

  render(frame, output) {
    const from = this.place(frame), to = this.place(frame + output.length);
    const first = Math.floor(from) - this.output.half, count = Math.floor(to) + this.output.half + 2 - first;
    const mixed = new Float32Array(count);
    this.rings.forEach((ring, k) => {
      const target = this.next.stems[k] ? 1 : 0, before = this.levels[k];
      const most = output.length / (FADE_S * this.rate);
      this.levels[k] += Math.max(-most, Math.min(most, target - before));
      if (before || this.levels[k]) ring.add(first, mixed, before, this.levels[k]);
    });
    this.keep(mixed, first, Math.round(to));
    for (let k = 0; k < output.length; k++) {
      output[k] = this.output.at(mixed, first, from + k * this.output.step);
      this.peaks[1] = Math.max(this.peaks[1], Math.abs(output[k]));
    }
    for (const ring of this.rings) ring.clear(first - KEPT - count, first - KEPT);
  }

  /** Report what was heard, at 44.1 kHz, piece by piece. */
  keep(mixed, first, until) {
    for (let place = this.heardUntil; place < until; place++) {
      this.heard[place - this.heardAt] = mixed[place - first] ?? 0;
      if (place - this.heardAt + 1 === HEARD) {
        this.tell({ type: "heard", start: this.heardAt, samples: this.heard });
        this.heardAt += HEARD;
        this.heard = new Float32Array(HEARD);
      }
    }
    this.heardUntil = until;
  }

  // ---------------------------------------------------------------------------------------------- latency

  /** Play a sweep (44.1 kHz) at once, and report what is recorded from then on, at 44.1 kHz. */
  calibrate(sweep, length) {
    const resampler = new Resampler(RATE, this.rate);
    const sound = resampler.push(new Float32Array([...sweep, ...new Float32Array(64)]));
    this.sweep = { sound, at: 0, recorded: new Float32Array(length), count: 0, resampler: new Resampler(this.rate, RATE) };
  }

  measure(input, output) {
    const s = this.sweep;
    for (let k = 0; k < output.length; k++) output[k] = s.sound[s.at++] ?? 0;
    for (const sample of s.resampler.push(input.length ? input : new Float32Array(output.length)))
      if (s.count < s.recorded.length) s.recorded[s.count++] = sample;
    if (s.count < s.recorded.length) return;
    this.sweep = null;
    this.tell({ type: "calibrated", samples: s.recorded });
  }
}
