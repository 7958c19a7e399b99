// The page: what is pressed goes to audio and server, what they say is shown. Each part has a file of its own.

import { Audio } from "./audio.mjs";
import { Link, MOVED, STRANGER, TAKEN } from "./link.mjs";
import { Recorder, save } from "./recorder.mjs";
import { $, Screen } from "./screen.mjs";
import { Session } from "./session.mjs";
import { Beats, Trace } from "./trace.mjs";
import { RATE, STEMS } from "./timeline.mjs";

const CLOSED = {
  [TAKEN]: "another page is playing with this server",
  [MOVED]: "another page has taken over; reload to take it back",
  [STRANGER]: "this page does not know the server's token: open the link that serve.py has printed",
};

class App {
  constructor() {
    this.playing = false;
    this.buffer = null; // of a file
    this.armed = false; // record from Play on
    this.recorder = new Recorder();
    this.audio = new Audio(message => this.hear(message));
    this.forget();
    const send = bytes => this.link.send(bytes);
    this.session = new Session({ send, place: chunk => this.audio.post(chunk), show: what => this.show(what) });
    this.session.wish.latency = Number(localStorage.getItem("latency")) || 0;
    this.link = new Link(location.hash.slice(1), {
      open: () => this.session.greet(),
      message: bytes => this.session.hear(bytes),
      close: code => this.closed(code),
    });
    this.screen = new Screen(this);
  }

  forget() {
    const stems = STEMS.map(() => new Trace());
    this.view = { you: new Trace(), stems, on: [0, 0, 0, 0], beats: new Beats(), chords: [], notes: [], until: 0, edge: 0 };
    this.plan = this.cycle = null;
  }

  say(text, bad = false) {
    this.screen.say(text, bad);
  }

  refresh() {
    this.screen?.refresh();
  }

  // ------------------------------------------------------------------------------------------------ from the server

  closed(code) {
    this.session.lost();
    this.screen.pill(CLOSED[code] ? "not connected" : "no server", false);
    this.say(CLOSED[code] ?? "no word from serve.py: this page goes on, and connects again by itself", true);
    if (code === TAKEN) this.screen.offer("Take over", () => this.link.open(true));
  }

  show(what) {
    if (what.type === "ready") {
      this.screen.pill("ready", true);
      this.say(this.playing ? "the server is back" : "");
    } else if (what.type === "server") this.screen.server(what, this.session.told);
    else if (what.type === "refused") this.say(what.text, true);
    else if (what.type === "said") this.say(what.text);
    else if (what.type === "trouble") this.say(what.text, true);
    else if (what.type === "answer") this.view.stems[what.stem].add(what.start, what.samples);
    else if (what.type === "plan") this.planned(what);
    else if (what.type === "step") this.apply();
    else if (what.type === "cycle") this.cycle = what;
    this.refresh();
  }

  planned(plan) {
    this.plan = plan;
    const view = this.view;
    view.beats.tell(plan.beats, plan.beats_in_bar, plan.edge);
    view.chords = [...view.chords.filter(([at]) => at < plan.edge).slice(-8), ...plan.chords];
    view.notes = [...view.notes.slice(-400)];
    for (const [stem, notes] of Object.entries(plan.notes))
      for (const [at, length, what] of notes) view.notes.push({ stem, at, length, what });
    Object.assign(view, { until: plan.until, edge: plan.edge });
    this.screen.plan(plan);
  }

  // ------------------------------------------------------------------------------------------------ from the audio

  hear(message) {
    const latency = this.latency;
    if (message.type === "step") {
      this.view.you.add(message.edge - message.samples.length, message.samples);
      this.recorder.add("context", message.edge - message.samples.length, message.samples);
      this.view.edge = message.edge;
      this.session.step(message, (this.audio.now - message.edge - latency) / RATE);
    } else if (message.type === "heard") this.recorder.add("answer", message.start, message.samples);
    else if (message.type === "late") this.session.late(message.batch);
    else if (message.type === "report") this.screen.report(message);
    else if (message.type === "unplugged") this.say("the microphone is gone: choose another; the music goes on", true);
    else if (message.type === "broken") this.say("the audio of this page has failed: reload it", true);
  }

  /** Latency counts for what comes through the sound card, not for a file. */
  get latency() {
    return this.buffer ? 0 : this.session.wish.latency;
  }

  // ------------------------------------------------------------------------------------------------ commands

  async toggle() {
    if (this.playing) return this.stop();
    try {
      await this.audio.open();
      if ($("source").value === "file" && !this.buffer) throw new Error("choose a file first, or drop one here");
      if ($("source").value === "microphone" && !this.audio.stream) await this.audio.microphone($("device").value);
    } catch (error) {
      return this.say(error.message, true);
    }
    this.screen.listDevices();
    this.forget();
    this.session.begin();
    this.audio.play(this.session.settings, this.latency, this.buffer, () => this.say("the file has ended; the session goes on"));
    this.playing = true;
    if (this.armed) this.recorder.begin(0);
    this.armed = false;
    this.wake = await navigator.wakeLock?.request("screen").catch(() => null);
    this.say(this.session.connected ? "" : "no server yet; it connects by itself");
    this.refresh();
  }

  stop() {
    if (this.recorder.running) this.record();
    this.audio.stop();
    this.session.tell("/reset", "i", [1]);
    this.wake?.release();
    this.playing = false;
    this.say("");
    this.refresh();
  }

  countIn() {
    const bpm = Math.min(400, Math.max(20, Number($("bpm").value) || 120));
    this.start(bpm, Math.min(16, Math.max(1, Number($("count").value) || 4)));
  }

  /** So many clicks at a tempo; the one is the beat after them. */
  start(bpm, count) {
    if (!this.leads()) return;
    const beat_s = 60 / bpm;
    this.audio.click(Array.from({ length: count }, (_, k) => k * beat_s));
    this.session.start(this.audio.now + count * beat_s * RATE, bpm, count, this.view.beats.inBar || 4);
  }

  /** Whether there is something to lead; says so if not. */
  leads() {
    if (!this.playing) this.say("press Play first", true);
    else if (!this.session.connected) this.say("no server: this is not done", true);
    return this.playing && this.session.connected;
  }

  lead(address, tags, values) {
    if (this.leads()) this.session.tell(address, tags, values);
  }

  /** The beat of a count-in is given back to the model's own tracker. */
  listen() {
    if (!this.leads()) return;
    this.session.tell("/tempo", "d", [0]);
    this.say("the model listens for your beat");
  }

  whenIStart() {
    this.lead("/start", "dii", [0, 0, 4]);
  }

  tap() {
    this.lead("/tap");
  }

  end() {
    this.lead("/stop");
  }

  fill() {
    this.lead("/fill");
  }

  break() {
    this.lead("/break", "i", [Number($("break-beats").value) || 4]);
  }

  follow() {
    if (!$("sheet").value.trim()) return this.say("write a lead sheet first, like | Am7 | D7 G7 |", true);
    this.lead("/lead", "s", [ascii($("sheet").value)]);
  }

  unfollow() {
    this.lead("/lead", "s", [""]);
  }

  hold() {
    if (!$("chord").value.trim()) return this.say("write a chord first, like Am7", true);
    this.lead("/chord", "si", [ascii($("chord").value.trim()), 0]);
  }

  release() {
    this.lead("/chord", "si", ["-", 0]);
  }

  stem(k) {
    this.session.wish.stems[k] ^= 1;
    this.apply();
  }

  panic() {
    this.session.tell("/panic");
    this.audio.post({ type: "clear" });
    const { beats, you } = this.view;
    this.forget();
    Object.assign(this.view, { beats, you }); // what had been settled is not played
    this.say("silence");
    this.refresh();
  }

  /** Record from now on, up to now, or, before Play, from the first sample on. */
  record() {
    if (!this.playing) this.armed = !this.armed;
    else if (this.recorder.running) this.recorder.end(this.audio.now - this.latency);
    else this.recorder.begin(this.view.edge);
    this.refresh();
  }

  apply() {
    this.audio.post({ type: "settings", settings: this.session.settings });
    this.refresh();
  }

  /** Another source or device was chosen. A microphone has a latency and a file has none: a session is of one of them. */
  async choose() {
    if (this.playing && this.buffer) this.stop();
    this.buffer = null;
    if ($("source").value === "file" || !this.audio.context) return this.refresh();
    try {
      await this.audio.microphone($("device").value);
    } catch (error) {
      this.say(error.message, true);
    }
    this.refresh();
  }

  chooseStep() {
    const { wish } = this.session, r = Number($("step").value);
    wish.auto = !r;
    if (r) wish.r = r;
    this.session.cycles = [];
    this.apply();
  }

  download(kind) {
    save(...this.recorder.file(kind, this.session.notes));
  }

  async openFile(file) {
    try {
      await this.audio.open();
      const buffer = await this.audio.decode(file);
      if (this.playing) this.stop();
      this.buffer = buffer;
      $("source").value = "file";
      this.say(`${file.name}: ${buffer.duration.toFixed(0)} s; press Play`);
    } catch (error) {
      this.say(error.message, true);
    }
    this.refresh();
  }

  async calibrate() {
    if (this.playing) return this.say("stop first, then measure", true);
    try {
      await this.audio.open();
      if (!this.audio.stream) await this.audio.microphone($("device").value);
    } catch (error) {
      return this.say(error.message, true);
    }
    const found = await this.audio.latency();
    if (found === null)
      return this.say("no sweep came back: hold a headphone to the microphone, or connect output with input, and turn it up", true);
    this.session.wish.latency = found;
    localStorage.setItem("latency", found);
    this.say("");
    this.refresh();
  }
}

/** Text as the protocol takes it; signs of music that people paste become letters. */
function ascii(text) {
  const letters = { "♭": "b", "♯": "#", "Δ": "^", "△": "^", "ø": "h", "°": "o" };
  return text.replace(/[♭♯Δ△ø°]/g, sign => letters[sign]).replace(/[^\n -~]/g, "");
}

new App();
