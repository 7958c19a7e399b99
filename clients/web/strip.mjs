// The strip: what was played, the beats and bar lines, and what the model will play. Time goes from left to right.

import { RATE, STEMS } from "./timeline.mjs";

const PAST_S = 2.5, AHEAD_S = 5.5; // seconds to the left and to the right of now
const HEAD = 44; // pixels for chords and times

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.colours = {};
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.colours = {}));
  }

  colour(name) {
    return (this.colours[name] ??= getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim());
  }

  /** Draw the view at a place. view: {you, stems: Trace[], on: flags, beats, chords, notes, until, edge, playing}. */
  draw(now, view) {
    const { canvas, pen } = this, ratio = devicePixelRatio || 1, { clientWidth: wide, clientHeight: high } = canvas;
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio))
      [canvas.width, canvas.height] = [Math.round(wide * ratio), Math.round(high * ratio)];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, wide, high);
    const start = now - PAST_S * RATE, stop = now + AHEAD_S * RATE;
    const x = place => ((place - start) / (stop - start)) * wide;
    const lanes = STEMS.map((name, k) => k).filter(k => view.on[k]);
    const lane = (high - HEAD) / (1 + Math.max(1, lanes.length));
    this.settled(view, x, now, wide, high);
    this.beatLines(view, x, start, stop, high);
    this.outline(view.you, start, Math.min(stop, view.edge || now), x, HEAD, lane, this.colour("context"));
    this.label("you", HEAD, "context");
    lanes.forEach((k, i) => {
      const top = HEAD + (i + 1) * lane;
      this.outline(view.stems[k], start, stop, x, top, lane, this.colour(STEMS[k]), view.until);
      this.notes(view.notes.filter(note => note.stem === STEMS[k]), x, start, stop, top, lane);
      this.label(STEMS[k], top, STEMS[k]);
    });
    this.chordNames(view, x, start, stop);
    this.line(x(now), 0, high, this.colour("ink"), 3);
  }

  /** The settled part of the future on a ground of its own; what is beyond is not decided. */
  settled({ until, playing }, x, now, wide, high) {
    const { pen } = this, right = Math.max(x(now), Math.min(wide, until ? x(until) : x(now)));
    if (!playing) return;
    pen.fillStyle = this.colour("line");
    pen.globalAlpha = 0.5;
    pen.fillRect(x(now), HEAD, right - x(now), high - HEAD);
    pen.globalAlpha = 0.35;
    pen.lineWidth = 1;
    pen.strokeStyle = this.colour("soft");
    pen.save();
    pen.beginPath();
    pen.rect(right, HEAD, wide - right, high - HEAD);
    pen.clip();
    for (let k = right - high; k < wide; k += 14) this.path([[k, high], [k + high, 0]]);
    pen.restore();
    pen.globalAlpha = 1;
    if (right > x(now) + 60) this.text("settled", right - 6, HEAD + 14, this.colour("soft"), "13px", "right");
  }

  beatLines({ beats }, x, start, stop, high) {
    for (const [at, number] of beats.all) {
      if (at <= start || at >= stop) continue;
      if (number === 0) this.line(x(at), 22, high, this.colour("ink"), 2);
      else this.line(x(at), HEAD, high, this.colour("soft"), 0.6);
    }
  }

  outline(trace, start, stop, x, top, lane, colour, until = Infinity) {
    const { pen } = this, middle = top + lane / 2, width = Math.max(1, x(start + 441) + 0.6);
    pen.fillStyle = colour;
    for (const [place, peak] of trace.between(start, Math.min(stop, until))) {
      const size = Math.max(0.5, Math.min(1, Math.sqrt(peak)) * lane * 0.44);
      pen.fillRect(x(place), middle - size, width, 2 * size);
    }
  }

  notes(notes, x, start, stop, top, lane) {
    const pitched = notes.map(note => note.what).filter(Number.isFinite);
    const low = Math.min(...pitched), range = Math.max(12, Math.max(...pitched) - low);
    this.pen.fillStyle = this.colour("ink");
    for (const { at, length, what } of notes) {
      if (at > stop || at + length < start) continue;
      const y = Number.isFinite(what) ? top + lane * (0.9 - 0.8 * ((what - low) / range)) : top + lane * 0.5;
      this.pen.fillRect(x(at), y - 2, Math.max(4, x(at + length) - x(at) - 1), 4);
    }
  }

  /** From the last to the one that holds at the left border; one that would reach into the next is left out. */
  chordNames({ chords }, x, start, stop) {
    let next = Infinity; // where the name after it begins
    for (const [at, name, sure] of [...chords].reverse()) {
      if (at > stop) continue;
      const left = Math.max(4, x(at) + 5);
      this.pen.globalAlpha = 0.45 + 0.55 * sure;
      if (left + this.width(name, "600 20px") < next) {
        this.text(name, left, 19, this.colour("ink"), "600 20px");
        next = left - 4;
      }
      this.pen.globalAlpha = 1;
      if (at < start) break;
    }
  }

  label(name, top, colour) {
    this.text(name, 6, top + 16, this.colour(colour), "600 14px");
  }

  width(text, font) {
    this.pen.font = `${font} system-ui, sans-serif`;
    return this.pen.measureText(text).width;
  }

  text(text, x, y, colour, font, align = "left") {
    Object.assign(this.pen, { fillStyle: colour, font: `${font} system-ui, sans-serif`, textAlign: align });
    this.pen.fillText(text, x, y);
  }

  line(x, top, bottom, colour, width) {
    Object.assign(this.pen, { strokeStyle: colour, lineWidth: width });
    this.path([[x, top], [x, bottom]]);
  }

  path(points) {
    this.pen.beginPath();
    points.forEach(([x, y], k) => (k ? this.pen.lineTo(x, y) : this.pen.moveTo(x, y)));
    this.pen.stroke();
  }
}
