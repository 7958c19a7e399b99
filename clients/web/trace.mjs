// The outline of a sound, by absolute place: what the strip draws.

const BLOCK = 441; // samples of one value, 10 ms
const KEPT = 4096; // blocks

export class Trace {
  constructor() {
    this.peaks = new Float32Array(KEPT);
    this.where = new Int32Array(KEPT).fill(-1); // which block each value is of
  }

  add(start, samples) {
    for (let k = 0; k < samples.length; k++) {
      const block = Math.floor((start + k) / BLOCK), slot = block % KEPT;
      if (block < 0) continue;
      if (this.where[slot] !== block) [this.where[slot], this.peaks[slot]] = [block, 0];
      const size = Math.abs(samples[k]);
      if (size > this.peaks[slot]) this.peaks[slot] = size;
    }
  }

  /** [place, peak] of the blocks between two places. */
  *between(start, stop) {
    for (let block = Math.max(0, Math.floor(start / BLOCK)); block * BLOCK < stop; block++)
      if (this.where[block % KEPT] === block) yield [block * BLOCK, this.peaks[block % KEPT]];
  }
}

/** Beats that are told again and again, [place, number in the bar]: those told last count from their first on. */
export class Beats {
  constructor() {
    this.all = [];
    this.inBar = 0;
  }

  tell(beats, inBar, edge) {
    this.all = [...this.all.filter(([at]) => at < edge).slice(-64), ...beats];
    this.inBar = inBar;
  }

  /** The number of the beat at a place, counted from 0; -1: none is known. */
  at(place) {
    const before = this.all.filter(([at]) => at <= place).at(-1);
    return before && place - before[0] < 3 * 44100 ? before[1] : -1;
  }
}
