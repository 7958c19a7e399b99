// What the page shows of the state of things, and how it takes buttons, keys, pedals and files.

import { COMMANDS, Pedals, commandOf } from "./commands.mjs";
import { Strip } from "./strip.mjs";
import { RATE, STEMS } from "./timeline.mjs";

export const $ = id => document.getElementById(id);
const SET = { balance: "balance_db", density: "density", rest: "rest_after" }; // controls, and what the server calls them
const COUNTS = { answered: "answered", late: "late", dropped: "dropped", lost: "not sent", gaps: "gaps", lead: "ahead" };

export class Screen {
  constructor(app) {
    this.app = app;
    this.gaps = 0;
    this.strip = new Strip($("strip"));
    this.pedals = new Pedals(localStorage);
    this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches ? 500 : 0; // ms between two pictures
    this.drawn = 0;
    this.now = 0; // the place that was drawn last: after Stop the strip stays there
    this.spoken = "";
    this.build();
    this.refresh();
    requestAnimationFrame(() => this.frame());
  }

  // ------------------------------------------------------------------------------------------------ once

  build() {
    const { app } = this;
    for (const command of COMMANDS) {
      if (command.name === "stem") $("stems").append(this.button(command, STEMS[command.argument]));
      if (command.lead) $("leading").append(this.button(command, command.label));
      $("keys").tBodies[0].append(this.keyRow(command));
    }
    for (const name of ["follow", "unfollow", "hold", "release", "calibrate", "record"]) $(name).onclick = () => app[name]();
    $("go").onclick = () => app.toggle();
    $("midi").onclick = () => this.useMidi();
    $("source").onchange = $("device").onchange = () => app.choose();
    $("sink").onchange = () => app.audio.context?.setSinkId($("sink").value);
    $("file").onchange = () => $("file").files[0] && app.openFile($("file").files[0]);
    for (const name of Object.keys(SET)) {
      $(name).oninput = () => this.levels();
      $(name).onchange = () => $(name).value && app.session.set("/" + name, Number($(name).value));
    }
    $("step").onchange = () => app.chooseStep();
    for (const one of document.querySelectorAll("[data-get]")) one.onclick = () => app.download(one.dataset.get);
    $("chord").onkeydown = event => event.key === "Enter" && app.hold();
    // A button that was pressed with the mouse does not keep the space bar for itself.
    addEventListener("click", event => event.detail && event.target.closest?.("button")?.blur());
    addEventListener("keydown", event => this.key(event));
    addEventListener("dragover", event => {
      event.preventDefault();
      document.body.classList.add("dragged");
    });
    addEventListener("dragleave", () => document.body.classList.remove("dragged"));
    addEventListener("drop", event => {
      event.preventDefault();
      document.body.classList.remove("dragged");
      if (event.dataTransfer.files[0]) app.openFile(event.dataTransfer.files[0]);
    });
    this.counts = Object.fromEntries(Object.entries(COUNTS).map(([name, label]) => [name, this.count(label)]));
    this.listDevices();
  }

  button(command, label) {
    const one = document.createElement("button"), key = document.createElement("kbd");
    key.textContent = command.shown ?? command.key.toUpperCase();
    one.append(label, key);
    if (command.name === "stem") one.style.setProperty("--own", `var(--${label})`);
    one.dataset.command = command.name + (command.argument ?? "");
    one.onclick = () => this.app[command.name](command.argument);
    return one;
  }

  count(label) {
    const value = document.createElement("dd"), name = document.createElement("dt"), both = document.createElement("div");
    name.textContent = label;
    both.append(name, value);
    $("counts").append(both);
    return value;
  }

  async listDevices() {
    const { inputs, outputs } = await this.app.audio.devices();
    for (const [id, list] of [["device", inputs], ["sink", outputs]]) {
      const chosen = $(id).value;
      $(id).replaceChildren(...list.map(([value, label]) => new Option(label, value, false, value === chosen)));
    }
    $("sink-row").hidden = outputs.length < 2;
  }

  // ------------------------------------------------------------------------------------------------ keys and pedals

  key(event) {
    if (event.key === "Enter" && event.target.tagName === "INPUT") event.target.blur(); // keys are commands again
    const command = commandOf(event);
    if (!command || event.repeat) return;
    event.preventDefault();
    this.app[command.name](command.argument);
  }

  keyRow(command) {
    const row = document.createElement("tr"), key = document.createElement("kbd"), learn = document.createElement("button");
    key.textContent = command.shown ?? command.key.toUpperCase();
    learn.textContent = "learn";
    learn.setAttribute("aria-label", `learn a pedal for: ${command.label}`);
    learn.onclick = () => this.learn(command);
    const cells = [command.label, key, this.pedals.learnt[this.pedals.id(command)] ?? "", learn];
    for (const content of cells) row.insertCell().append(content);
    row.dataset.row = this.pedals.id(command);
    return row;
  }

  async learn(command) {
    if (!this.midi) await this.useMidi();
    if (!this.midi) return;
    this.pedals.learning = command;
    $("midi-state").textContent = `press what is to do: ${command.label}`;
  }

  async useMidi() {
    try {
      if (!navigator.requestMIDIAccess) throw new Error("this browser has no MIDI; Chrome, Edge and Firefox do");
      this.midi = await navigator.requestMIDIAccess();
    } catch (error) {
      this.say(error.name === "Error" ? error.message : "MIDI was refused: allow it beside the page's address", true);
      return;
    }
    this.listen();
    this.midi.onstatechange = () => this.listen();
  }

  listen() {
    for (const input of this.midi.inputs.values()) input.onmidimessage = ({ data }) => this.press(data);
    const names = [...this.midi.inputs.values()].map(input => input.name);
    $("midi-state").textContent = names.length ? names.join(", ") : "no MIDI device is connected";
  }

  /** A MIDI message has come. */
  press(data) {
    const command = this.pedals.press(data);
    if (command) this.app[command.name](command.argument);
    else if (command === null) {
      $("midi-state").textContent = "learnt";
      for (const row of $("keys").tBodies[0].rows) row.cells[2].textContent = this.pedals.learnt[row.dataset.row] ?? "";
    }
  }

  // ------------------------------------------------------------------------------------------------ what is shown

  /** The line at the top; what is not a fault goes away again. */
  say(text, bad = false) {
    $("message").textContent = text;
    $("message").classList.toggle("bad", bad);
    clearTimeout(this.fading);
    if (!bad) this.fading = setTimeout(() => ($("message").textContent = ""), 8000);
  }

  /** A button behind the message. */
  offer(label, act) {
    $("message").append(" ", Object.assign(document.createElement("button"), { textContent: label, onclick: act }));
  }

  pill(text, on) {
    $("server").textContent = text;
    $("server").className = `pill ${on ? "on" : "off"}`;
  }

  levels() {
    const db = Number($("balance").value), share = Number($("density").value);
    $("balance-out").textContent = `${db > 0 ? "+" : ""}${db} dB`;
    $("density-out").textContent = share === 1 ? "all" : share ? `the louder ${Math.round(100 * share)} %` : "nothing";
    $("rest-out").textContent = Number($("rest").value) ? "bars after you" : ": never (0)";
  }

  /** What the server is, and what it begins with where the player has set nothing. */
  server(said, told) {
    if (said.model) this.pill(`ready: model ${said.model}`, true);
    for (const [name, own] of Object.entries(SET)) if (own in said && !(`/${name}` in told)) $(name).value = said[own];
    this.levels();
  }

  report({ peaks, gaps }) {
    const db = Math.max(-60, 20 * Math.log10(peaks[0] + 1e-9));
    $("level").style.transform = `scaleX(${(db + 60) / 60})`;
    $("level").className = db > -1 ? "loud" : "";
    $("level").parentElement.setAttribute("aria-valuenow", Math.round(db));
    this.gaps = gaps;
    if (this.app.recorder.running) $("recorded").textContent = `${this.app.recorder.seconds.toFixed(0)} s`;
  }

  plan(plan) {
    const whose = plan.plan === "chart" ? "your lead sheet" : "the model's own plan";
    $("legend").textContent =
      plan.plan === "none"
        ? "This model makes no plan: you see the beat, the bars, and what it has settled."
        : `Chords ahead: ${whose}. Faint ones are less sure; hatched is not settled yet.`;
    $("midi-why").textContent = Object.keys(plan.notes).length ? "" : "This model says no notes, so there is no MIDI of it.";
    $("heard").textContent = plan.heard || "–";
    $("tempo").textContent = plan.bpm ? `${Math.round(plan.bpm)}` : "–";
  }

  refresh() {
    const { app } = this, { session, recorder, buffer } = app, { wish, counts } = session;
    app.view.on = wish.stems;
    app.view.playing = app.playing;
    if (!app.playing) $("heard").textContent = $("tempo").textContent = "–";
    $("go").textContent = app.playing ? "Stop" : "Play";
    $("go").classList.toggle("on", app.playing);
    STEMS.forEach((_, k) => $("stems").children[k].setAttribute("aria-pressed", wish.stems[k] === 1));
    $("record").setAttribute("aria-pressed", recorder.running || app.armed);
    const length = recorder.seconds ? `${recorder.seconds.toFixed(1)} s` : "nothing recorded";
    $("recorded").textContent = app.armed ? "from Play on" : recorder.running ? "recording" : length;
    $("device-row").hidden = $("source").value === "file";
    $("file-row").hidden = !$("device-row").hidden;
    const kept = !recorder.running && recorder.seconds > 0;
    for (const one of document.querySelectorAll("[data-get]"))
      one.disabled = !kept || (one.dataset.get === "midi" && !session.notes.length);
    const latency = buffer ? 0 : wish.latency, step_s = session.settings.step / RATE;
    $("latency").textContent = wish.latency ? `${((1e3 * wish.latency) / RATE).toFixed(1)} ms` : "not measured";
    $("hears").textContent = `It hears you until ${(step_s + latency / RATE).toFixed(2)} s before it plays.`;
    const lead = app.cycle ? `${((app.cycle.lead_ms - (1e3 * latency) / RATE) / 1e3).toFixed(2)} s` : "–";
    const shown = { ...counts, gaps: this.gaps, lead };
    for (const [name, cell] of Object.entries(this.counts)) {
      cell.textContent = shown[name];
      cell.className = ["late", "dropped", "lost", "gaps"].includes(name) && shown[name] ? "bad" : "";
    }
  }

  /** Once for every picture: the strip, the beat, the next chord. */
  frame() {
    requestAnimationFrame(() => this.frame());
    const time = performance.now();
    if (document.hidden || time - this.drawn < this.calm) return;
    this.drawn = time;
    const { app } = this, { view } = app, now = app.playing ? (this.now = app.audio.now) : this.now;
    this.strip.draw(now, view);
    const beat = app.playing ? view.beats.at(now) : -1, count = view.beats.inBar || 4;
    if ($("beats").children.length !== count)
      $("beats").replaceChildren(...Array.from({ length: count }, () => document.createElement("i")));
    [...$("beats").children].forEach((dot, k) => (dot.className = k === beat ? "now" : ""));
    const sounding = view.chords.filter(([at]) => at <= now).at(-1)?.[1];
    const next = view.chords.find(([at, name]) => at > now && name !== sounding);
    $("next").textContent = (app.playing && next?.[1]) || "–";
    if (beat === 0 && this.spoken !== `${sounding} ${next?.[1]}`) {
      this.spoken = `${sounding} ${next?.[1]}`;
      $("spoken").textContent = next ? `${sounding ?? "no chord"}, next ${next[1]}` : "";
    }
  }
}
