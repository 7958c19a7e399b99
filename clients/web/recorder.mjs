// What was played and what was answered, kept until it is downloaded.

import { joined, midi, wav } from "./wav.mjs";
import { RATE } from "./timeline.mjs";

const LONGEST = 20 * 60 * RATE; // samples

export class Recorder {
  constructor() {
    this.pieces = { context: [], answer: [] };
    this.from = this.until = 0; // places
    this.running = false;
  }

  begin(place) {
    this.pieces = { context: [], answer: [] };
    this.from = this.until = Math.max(0, Math.ceil(place));
    this.running = true;
  }

  end(place) {
    this.running = false;
    this.until = Math.max(this.from, Math.floor(place));
  }

  get seconds() {
    return Math.max(0, this.until - this.from) / RATE;
  }

  /** Keep a piece of one of the two that begins at a place. After the end the rest of what was heard still comes. */
  add(kind, start, samples) {
    if (!this.running && start >= this.until) return;
    this.pieces[kind].push([start, samples]);
    if (this.running) this.until = Math.max(this.until, start + samples.length);
    if (this.until - this.from > LONGEST) this.running = false;
  }

  samples(kind) {
    const out = new Float32Array(Math.max(0, this.until - this.from));
    for (const [start, piece] of this.pieces[kind])
      for (let k = Math.max(0, this.from - start); k < piece.length && start + k < this.until; k++)
        out[start + k - this.from] = piece[k];
    return out;
  }

  /** A file as [name, bytes]. */
  file(kind, notes) {
    if (kind === "midi") {
      const own = joined(notes).filter(note => note.at >= this.from && note.at < this.until);
      return ["answer.mid", midi(own.map(note => ({ ...note, at: note.at - this.from })), RATE)];
    }
    if (kind !== "mix") return [`${kind}.wav`, wav(this.samples(kind), RATE)];
    const mix = this.samples("context");
    this.samples("answer").forEach((sample, k) => (mix[k] += sample));
    const loudest = mix.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1);
    return ["mix.wav", wav(mix.map(sample => sample / loudest), RATE)];
  }
}

/** Have the browser save bytes as a file. */
export function save(name, bytes) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([bytes])), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
