// What the model plays, by absolute sample: answers are laid in their place, crossfaded, and read once.

export const RING = 1 << 20; // samples; 23 s

export class Ring {
  constructor(length = RING) {
    this.samples = new Float32Array(length);
    this.length = length;
  }

  /** Lay samples at `start`; the first `fade` of the answer, which begins at `from`, go over from what is there. */
  write(start, samples, from, fade) {
    for (let k = 0; k < samples.length; k++) {
      const place = start + k;
      if (place < 0) continue;
      const i = place % this.length, inside = place - from;
      this.samples[i] = inside < fade ? this.samples[i] + (samples[k] - this.samples[i]) * (inside / fade) : samples[k];
    }
  }

  clear(start, stop) {
    for (let place = Math.max(start, 0); place < stop; place++) this.samples[place % this.length] = 0;
  }

  /** Add samples [start, start + out.length) to `out`, times a gain that goes from one value to another. */
  add(start, out, before = 1, after = before) {
    for (let k = 0; k < out.length; k++)
      if (start + k >= 0) out[k] += this.samples[(start + k) % this.length] * (before + ((after - before) * k) / out.length);
  }
}
