// Reads a signal between its samples: a windowed sinc, so that audio at any rate becomes audio at another one in its place.

const CROSSINGS = 16; // zero crossings of the sinc to each side, at the lower of the two rates
const PHASES = 512; // of the table between two samples; linear between them

/** The value of a signal at places that need not be whole, for a change from one rate to another. */
export class Interpolator {
  constructor(from, to) {
    this.step = from / to; // input samples per output sample
    this.exact = from === to;
    const cutoff = 0.96 * Math.min(1, to / from);
    this.half = this.exact ? 0 : Math.ceil(CROSSINGS / Math.min(1, to / from)); // samples needed to each side
    const taps = 2 * this.half;
    this.table = new Float32Array((PHASES + 1) * taps);
    for (let phase = 0; phase <= PHASES && taps; phase++) {
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) {
        const x = tap - this.half + 1 - phase / PHASES;
        const taper = 0.42 + 0.5 * Math.cos((Math.PI * x) / this.half) + 0.08 * Math.cos((2 * Math.PI * x) / this.half);
        const value = Math.abs(x) >= this.half ? 0 : (x ? Math.sin(Math.PI * cutoff * x) / (Math.PI * x) : cutoff) * taper;
        this.table[phase * taps + tap] = value;
        sum += value;
      }
      for (let tap = 0; tap < taps; tap++) this.table[phase * taps + tap] /= sum;
    }
  }

  /** The value at `place`, where samples[0] has place `first`. All from place - half to place + half must be there. */
  at(samples, first, place) {
    const whole = Math.floor(place);
    if (this.exact) return samples[whole - first];
    const taps = 2 * this.half, between = (place - whole) * PHASES, phase = Math.floor(between), mix = between - phase;
    const start = whole - this.half + 1 - first, low = phase * taps;
    let a = 0, b = 0;
    for (let tap = 0; tap < taps; tap++) {
      a += samples[start + tap] * this.table[low + tap];
      b += samples[start + tap] * this.table[low + taps + tap];
    }
    return a + (b - a) * mix;
  }
}

/** Takes a signal block by block and gives it at another rate: output sample n lies at input place n * step. */
export class Resampler {
  constructor(from, to) {
    this.interpolator = new Interpolator(from, to);
    this.history = new Float32Array(0); // input from place `first` on
    this.first = -this.interpolator.half; // before the beginning there is silence
    this.history = new Float32Array(this.interpolator.half);
    this.done = 0; // output samples so far
  }

  /** The output samples that are complete with this block. */
  push(block) {
    const { half, step } = this.interpolator;
    const joined = new Float32Array(this.history.length + block.length);
    joined.set(this.history);
    joined.set(block, this.history.length);
    const stop = this.first + joined.length; // one past the last input place
    const out = [];
    for (let place = this.done * step; Math.floor(place) + half < stop; place = ++this.done * step)
      out.push(this.interpolator.at(joined, this.first, place));
    const keep = Math.min(joined.length, Math.max(0, Math.floor(this.done * step) - half - this.first));
    this.first += keep;
    this.history = joined.subarray(keep);
    return Float32Array.from(out);
  }
}
