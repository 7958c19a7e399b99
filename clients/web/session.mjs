// What the page says to the server and makes of its answers. Pure: no audio, no socket, no screen; tests run it in Node.
//
// A batch is a step of what was played; its number is the worklet's. Answers find their place by the batch that they answer.

import { pack, packBlock, parse } from "./osc.mjs";
import { RATE, STEMS, WINDOW } from "./timeline.mjs";

const RATIOS = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32]; // of the step to the window, largest first
const ROOM = 3, LEAST = 1.5; // times the cycle that a smaller step must last, and below which it becomes larger
const STEPS = 6; // that the cycle is measured over; twice as many after each time that the step had to become larger
const KEPT = 16; // batches whose answer may still come
const PACKAGE = 4410; // samples in a datagram
const SILENT = 3; // steps without an answer before that is said
const SLOW = "the server gives steps up, for this machine is too slow: close other programs, or choose a larger step";

/** The settings that a step ratio means, in samples, truncated as the server does. */
export function settingsOf({ r, stems, latency = 0, fade = 882 }) {
  const step = Math.floor(WINDOW * r + 1e-6);
  return { r, w: 1, step, offset: step, fade, stems: [...stems], latency };
}

export class Session {
  /** `send` takes bytes for the server, `place` a chunk for the audio thread, `show` what is to be seen. */
  constructor({ send, place, show }) {
    Object.assign(this, { send, place, show });
    this.wish = { r: 1 / 4, auto: true, stems: [1, 0, 0, 0], latency: 0 };
    this.counts = { asked: 0, answered: 0, late: 0, dropped: 0, lost: 0 };
    this.told = {}; // by address, what the player has set: a server that is new to this page is told it again
    this.connected = this.ready = false;
    this.begin();
  }

  get settings() {
    return settingsOf(this.wish);
  }

  /** A new performance: batch numbers begin again. */
  begin() {
    this.asked = new Map();
    this.sent = "";
    this.cycles = [];
    this.patience = STEPS;
    this.silent = 0;
    this.slow = false; // the server has given up a step since its last answer
    this.counts = { asked: 0, answered: 0, late: 0, dropped: 0, lost: 0 };
    this.notes = [];
    this.clock = null; // a beat that is to be said with the next step
    if (this.connected) this.greet();
  }

  /** The socket is open: introduce the page, and say everything anew, for the server may have been started anew. */
  greet() {
    this.connected = true;
    this.sent = "";
    this.send(pack("/hello", "iis", [RATE, WINDOW, "web"]));
    this.send(pack("/plan", "i", [1]));
    this.send(pack("/load_model"));
    for (const [address, value] of Object.entries(this.told)) this.tell(address, "d", [value]);
  }

  /** Set what holds until it is set anew: /density, /balance, /rest. */
  set(address, value) {
    this.told[address] = value;
    this.tell(address, "d", [value]);
  }

  lost() {
    this.connected = this.ready = false;
  }

  tell(address, tags = "", values = []) {
    if (this.connected) this.send(pack(address, tags, values));
  }

  /** Count in: the one is at a place. The next step says so to the sample, which no message that only arrives can. */
  start(one, bpm, count, inBar) {
    this.clock = { one, bpm, inBar };
    this.tell("/start", "dii", [bpm, count, inBar]);
  }

  // ------------------------------------------------------------------------------------------------ to the server

  /** A step has been played; `behind` is how many seconds ago that was. */
  step({ batch, edge, samples, settings }, behind = 0) {
    this.counts.asked = batch;
    this.asked.set(batch, { edge, start: edge + settings.offset - settings.fade, ...settings, chunks: new Set() });
    this.asked.delete(batch - KEPT);
    if (!this.connected || behind > settings.step / RATE) {
      this.counts.lost++; // no answer to it could come in time: the server goes on with the next one
      return;
    }
    this.say(settings);
    this.sayClock(batch, edge);
    const count = Math.ceil(samples.length / PACKAGE);
    const total = count * Math.max(1, settings.stems.reduce((a, b) => a + b)); // the protocol counts once for each instrument
    for (let k = 0; k < count; k++)
      this.send(packBlock("context", batch, k * PACKAGE, total, samples.subarray(k * PACKAGE, (k + 1) * PACKAGE)));
    if (!settings.stems.some(Boolean)) this.silent = 0; // it listens, and is not asked to answer
    else if (++this.silent === SILENT + 1)
      this.show({ type: "trouble", text: this.slow ? SLOW : "no answer to the last steps: look at the server's log" });
  }

  sayClock(batch, edge) {
    if (!this.clock) return;
    const { one, bpm, inBar } = this.clock, beat = (((edge - one) / RATE) * bpm) / 60;
    this.send(pack("/clock", "ddii", [beat - inBar * Math.floor(beat / inBar), bpm, inBar, batch]));
    this.clock = null;
  }

  /** Send the settings of a step where they have changed. */
  say(settings) {
    const now = JSON.stringify([settings.r, settings.stems, settings.fade]);
    if (now === this.sent) return;
    this.sent = now;
    this.send(pack("/update_package_size", "i", [PACKAGE]));
    this.send(pack("/update_r", "d", [settings.r]));
    this.send(pack("/w", "d", [settings.w]));
    this.send(pack("/update_fade", "d", [settings.fade / RATE]));
    this.send(pack("/predict_instruments", "iiii", settings.stems));
  }

  // ------------------------------------------------------------------------------------------------ from the server

  /** A datagram of the server's. */
  hear(bytes) {
    let message;
    try {
      message = parse(bytes);
    } catch {
      return; // none of ours
    }
    const name = message.address.slice(1);
    if (message.samples) this.chunk(STEMS.indexOf(name), message.numbers, message.samples);
    else if (name === "ready") this.isReady();
    else if (name === "batch_dropped") this.dropped(message.values[0]);
    else if (name === "status") this.status(message.values[0]);
    else if (name === "plan") this.plan(message.values[0]);
  }

  isReady() {
    if (!this.ready) this.show({ type: "ready" });
    this.ready = true;
  }

  chunk(stem, [batch, index], samples) {
    const asked = this.asked.get(batch);
    if (!asked || !samples.length) return; // an empty chunk only says where the others belong
    const { start, fade } = asked;
    const at = start + index * PACKAGE;
    this.place({ type: "chunk", stem, batch, start: at, samples, from: start, fade });
    this.show({ type: "answer", stem, start: at, samples });
    asked.chunks.add(stem * 1000 + index);
    const whole = Math.ceil((asked.step + fade) / PACKAGE) * asked.stems.reduce((a, b) => a + b, 0);
    if (asked.chunks.size < whole || asked.whole) return;
    asked.whole = true;
    this.counts.answered++;
    if (this.silent > SILENT) this.show({ type: "trouble", text: "" });
    this.silent = 0;
    this.slow = false;
  }

  status(text) {
    let said;
    try {
      said = JSON.parse(text);
    } catch {
      return;
    }
    if ("batch_id" in said) {
      this.measure(said);
      this.show({ type: "cycle", ...said });
    } else if (said.error) this.show({ type: "refused", text: said.error });
    else if (said.said) this.show({ type: "said", text: said.said });
    else this.show({ type: "server", ...said });
  }

  /** What the model intends, in places of this timeline. */
  plan(text) {
    let plan;
    try {
      plan = JSON.parse(text);
    } catch {
      return;
    }
    const edge = this.asked.get(plan.batch_id)?.edge;
    if (edge === undefined) return;
    const moved = items => items.map(([at, ...rest]) => [at + edge, ...rest]);
    const notes = Object.fromEntries(Object.entries(plan.notes).map(([stem, items]) => [stem, moved(items)]));
    for (const [stem, items] of Object.entries(notes)) for (const item of items) this.notes.push([stem, ...item]);
    const { beats, chords, until } = plan;
    this.show({ ...plan, type: "plan", edge, until: until + edge, beats: moved(beats), chords: moved(chords), notes });
  }

  /** The server has given a step up. One in which it was to play nothing is no loss. */
  dropped(batch) {
    if (!this.asked.get(batch)?.stems.some(Boolean)) return;
    this.counts.dropped++;
    this.slow = true;
    if (this.ready && this.silent > 1) this.enlarge();
  }

  /** An answer, or a part of it, came behind the playhead. */
  late(batch) {
    const asked = this.asked.get(batch);
    if (!asked || asked.late) return;
    asked.late = true;
    this.counts.late++;
    this.enlarge();
  }

  // ------------------------------------------------------------------------------------------------ the step

  /** Choose the smallest step that lasts ROOM times the cycle; one size at a time, measured over the last steps. */
  measure({ r, cycle_ms }) {
    if (r !== this.wish.r) return;
    this.cycles = [...this.cycles, cycle_ms / 1e3].slice(-this.patience);
    if (!this.wish.auto || this.cycles.length < this.patience) return;
    const smaller = RATIOS[RATIOS.indexOf(r) + 1];
    if (smaller && ROOM * Math.max(...this.cycles) + this.wish.latency / RATE < (smaller * WINDOW) / RATE) this.change(smaller);
    else if (LEAST * this.median() > (r * WINDOW) / RATE) this.enlarge();
  }

  median() {
    return [...this.cycles].sort((a, b) => a - b)[this.cycles.length >> 1];
  }

  enlarge() {
    const larger = RATIOS[RATIOS.indexOf(this.wish.r) - 1];
    if (!this.wish.auto || !larger) return;
    this.patience *= 2;
    this.change(larger);
  }

  change(r) {
    this.wish.r = r;
    this.cycles = [];
    this.show({ type: "step", r });
  }
}
