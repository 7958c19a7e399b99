// The page's modules by themselves: what is heard lies where it belongs at any rate, and what is sent is the protocol.

import assert from "node:assert";
import { test } from "node:test";

import { COMMANDS, Pedals, commandOf, nameOf } from "../../clients/web/commands.mjs";
import { Engine } from "../../clients/web/engine.mjs";
import { pack, packBlock, parse } from "../../clients/web/osc.mjs";
import { Recorder } from "../../clients/web/recorder.mjs";
import { Resampler } from "../../clients/web/resample.mjs";
import { Ring } from "../../clients/web/ring.mjs";
import { Session, settingsOf } from "../../clients/web/session.mjs";
import { locate, sweep } from "../../clients/web/sweep.mjs";
import { Beats, Trace } from "../../clients/web/trace.mjs";
import { joined, midi, wav } from "../../clients/web/wav.mjs";

const RATE = 44100;
const sine = (hz, rate) => place => 0.5 * Math.sin((2 * Math.PI * hz * place) / rate);
const samples = (count, of) => Float32Array.from({ length: count }, (_, k) => of(k));

for (const [from, to] of [[48000, RATE], [96000, RATE], [16000, RATE], [RATE, 48000]])
  test(`a tone is the same tone at another rate: ${from} to ${to}`, () => {
    const input = samples(from / 4, sine(997, from)), resampler = new Resampler(from, to), out = [];
    for (let k = 0; k < input.length; k += 128) out.push(...resampler.push(input.subarray(k, k + 128)));
    const worst = Math.max(...out.slice(200, -200).map((x, k) => Math.abs(x - sine(997, to)(k + 200))));
    assert.ok(worst < 3e-5, `error ${worst}`);
    assert.ok(Math.abs(out.length - to / 4) < 80);
  });

test("no tone above half the new rate is left", () => {
  const input = samples(24000, sine(30000, 96000)), out = [...new Resampler(96000, RATE).push(input)];
  assert.ok(Math.max(...out.slice(200, -200).map(Math.abs)) < 1e-3);
});

/** Play `seconds` at a context's rate; answers are a tone, ready `delay` frames after their step. */
function play(rate, { r = 1 / 32, latency = 0, seconds = 1.6, skip = null, stems = [1, 0, 0, 0], delay = 0 }) {
  const told = [], waiting = [], heard = new Float32Array(rate * seconds), origin = 256;
  const engine = new Engine(rate, message => told.push(message)), settings = settingsOf({ r, stems });
  engine.play(origin, settings, latency);
  for (let frame = 0; frame < heard.length - 128; frame += 128) {
    if (skip && frame >= skip[0] && frame < skip[1]) continue;
    const before = told.length;
    engine.process(frame, samples(128, k => sine(440, rate)(frame + k - origin)), heard.subarray(frame, frame + 128));
    for (const { type, batch, edge } of told.slice(before)) if (type === "step") waiting.push([frame + delay, batch, edge]);
    while (waiting.length && waiting[0][0] <= frame) {
      const [, batch, edge] = waiting.shift(), start = edge + settings.offset - settings.fade;
      const answer = samples(settings.step + settings.fade, k => sine(330, RATE)(start + k));
      engine.chunk({ stem: 0, batch, start, samples: answer, from: start, fade: settings.fade }, frame + 128);
    }
  }
  return { told, heard, origin, settings, engine };
}

for (const rate of [44100, 48000, 96000]) {
  test(`answers sound in their place, and what is played is taken from its place, at ${rate} Hz`, () => {
    const { told, heard, origin, settings } = play(rate, {});
    const begin = Math.ceil(((2 * settings.step + 2000) / RATE) * rate) + origin;
    for (let frame = begin; frame < heard.length - 300; frame++)
      assert.ok(Math.abs(heard[frame] - sine(330, rate)(frame - origin)) < 5e-5, `frame ${frame}`);
    for (const { edge, samples: own } of told.filter(one => one.type === "step"))
      own.forEach((x, k) => {
        const place = edge - settings.step + k;
        if (place > 100) assert.ok(Math.abs(x - sine(440, RATE)(place)) < 5e-5, `place ${place}`);
      });
    assert.deepStrictEqual(told.filter(one => one.type === "late"), []);
  });
}

test("latency moves what is played back to where it was heard", () => {
  const { told } = play(RATE, { latency: 1000 }), step = told.find(one => one.type === "step");
  step.samples.forEach((x, k) => assert.ok(Math.abs(x - sine(440, RATE)(k + 1000)) < 1e-6));
});

test("a gap of the audio thread moves nothing that comes after it", () => {
  const { told, engine, settings } = play(RATE, { skip: [256 + 128 * 100, 256 + 128 * 140] });
  const steps = told.filter(one => one.type === "step");
  assert.strictEqual(engine.gaps, 1);
  for (const { edge, samples: own } of steps.slice(-2))
    assert.ok(Math.abs(own[10] - sine(440, RATE)(edge - settings.step + 10)) < 1e-6);
});

test("an answer behind the playhead is reported as late, with how much of it", () => {
  const { told } = play(RATE, { delay: Math.ceil(8500 / 128) * 128 }), late = told.filter(one => one.type === "late");
  assert.ok(late.length > 3 && late.every(one => one.samples > 0 && one.samples < 4000));
});

test("an instrument that is turned off fades out at once", () => {
  const { engine, settings } = play(RATE, {}), block = new Float32Array(128);
  engine.set({ ...settings, stems: [0, 0, 0, 0] });
  for (let k = 0; k < 8; k++) engine.process(engine.expected, new Float32Array(128), block.fill(0));
  assert.ok(block.every(x => x === 0));
});

test("answers are crossfaded as the client in Python does it", () => {
  const ring = new Ring(64);
  ring.write(0, new Float32Array(32).fill(1), 0, 0);
  ring.write(16, new Float32Array(16).fill(-1), 16, 4);
  const out = new Float32Array(32);
  ring.add(0, out);
  assert.deepStrictEqual([...out.slice(14, 22)], [1, 1, 1, 0.5, 0, -0.5, -1, -1]);
  ring.clear(0, 64);
  assert.ok(ring.samples.every(x => x === 0));
});

test("messages are those of the protocol, byte for byte", () => {
  const hex = bytes => Buffer.from(bytes).toString("latin1");
  assert.strictEqual(hex(pack("/update_r", "d", [0.2])), "/update_r\0\0\0,d\0\0?\xc9\x99\x99\x99\x99\x99\x9a");
  assert.strictEqual(hex(pack("/predict_instruments", "iiii", [1, 0, 1, 0])), "/predict_instruments\0\0\0\0,iiii\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0");
  assert.strictEqual(hex(pack("/hello", "iis", [44100, 264600, "Pd 0.54"])), "/hello\0\0,iis\0\0\0\0\0\0\xacD\0\x04\t\x98Pd 0.54\0");
  const block = parse(packBlock("bass", 7, 3, 17, new Float32Array([1, -0.5])));
  assert.deepStrictEqual(block, { address: "/bass", numbers: [7, 3, 17], samples: new Float32Array([1, -0.5]) });
  for (const noise of [[], [0x2f], [0x2f, 0x61, 0, 0, 0x2c, 0x73, 0, 0, 0x61]]) assert.throws(() => parse(Uint8Array.from(noise)));
});

/** A session with what it sends, places and shows. */
function session() {
  const sent = [], placed = [], shown = [];
  const one = new Session({ send: bytes => sent.push(parse(bytes)), place: chunk => placed.push(chunk), show: what => shown.push(what) });
  const addresses = () => sent.splice(0).map(message => message.address);
  const step = (batch, settings = one.settings, behind = 0) =>
    one.step({ batch, edge: batch * settings.step, samples: new Float32Array(settings.step), settings }, behind);
  return { one, sent, placed, shown, addresses, step };
}

test("settings are sent before the batch that they hold for, and again to a new server", () => {
  const { one, addresses, step } = session();
  one.greet();
  assert.deepStrictEqual(addresses(), ["/hello", "/plan", "/load_model"]);
  step(1);
  assert.deepStrictEqual(addresses().slice(0, 6), ["/update_package_size", "/update_r", "/w", "/update_fade", "/predict_instruments", "/context"]);
  step(2);
  assert.deepStrictEqual(new Set(addresses()), new Set(["/context"]));
  one.lost();
  step(3);
  assert.deepStrictEqual(addresses(), []);
  one.greet();
  step(4);
  assert.ok(addresses().includes("/predict_instruments"));
  assert.strictEqual(one.counts.lost, 1);
});

test("what the player has set is told at once, and again to a new server, which begins with its own", () => {
  const { one, sent } = session();
  one.set("/balance", 3);
  one.set("/balance", -6);
  assert.deepStrictEqual(sent, [], "there is no server yet");
  one.greet();
  assert.deepStrictEqual(sent.splice(0).at(-1), { address: "/balance", values: [-6] }, "after what makes it begin anew");
  one.set("/rest", 0);
  assert.deepStrictEqual(sent.splice(0), [{ address: "/rest", values: [0] }]);
  one.begin();
  assert.deepStrictEqual(sent.slice(-2).map(message => message.address), ["/balance", "/rest"]);
});

test("datagrams are counted once for each instrument, as the protocol has it", () => {
  const { one, sent, step } = session();
  one.greet();
  one.wish.stems = [1, 1, 0, 1];
  sent.length = 0;
  step(1);
  const blocks = sent.filter(message => message.address === "/context");
  assert.deepStrictEqual([blocks.length, blocks[0].values[2]], [15, 45]);
});

test("a count-in tells its beat with the next step, to the sample, and once", () => {
  const { one, sent, step } = session();
  one.greet();
  one.start(2 * 66150 + 11025, 120, 4, 4);
  step(2);
  step(3);
  const said = sent.filter(message => ["/start", "/clock"].includes(message.address));
  assert.deepStrictEqual(said.map(message => message.values), [[120, 4, 4], [3.5, 120, 4, 2]]);
});

test("a step that is old when the page wakes is left out", () => {
  const { one, addresses, step } = session();
  one.greet();
  addresses();
  step(1, one.settings, 10);
  assert.deepStrictEqual(addresses(), []);
});

test("an answer is placed by its batch and its place in it, once it was asked for", () => {
  const { one, placed, step } = session();
  one.greet();
  step(1);
  one.hear(packBlock("bass", 1, 2, 9, new Float32Array(10)));
  one.hear(packBlock("bass", 9, 2, 9, new Float32Array(10)));
  one.hear(packBlock("bass", 1, 0, 9, new Float32Array(0)));
  assert.deepStrictEqual(placed.map(({ stem, start, from, fade }) => [stem, start, from, fade]), [[0, 66150 * 2 - 882 + 8820, 66150 * 2 - 882, 882]]);
});

test("what the model intends lies on the page's timeline, and noise is no plan", () => {
  const { one, shown, step } = session();
  one.greet();
  step(3);
  const plan = { batch_id: 3, until: 100, beats: [[5, 0]], chords: [[7, "C", 1]], notes: { bass: [[9, 4, 40, 1]] } };
  for (const text of [JSON.stringify(plan), "{", JSON.stringify({ ...plan, batch_id: 99 })]) one.hear(pack("/plan", "s", [text]));
  assert.strictEqual(shown.length, 1);
  const edge = 3 * 66150;
  assert.deepStrictEqual([shown[0].until, shown[0].beats, shown[0].chords], [edge + 100, [[edge + 5, 0]], [[edge + 7, "C", 1]]]);
  assert.deepStrictEqual(one.notes, [["bass", edge + 9, 4, 40, 1]]);
});

function measured(cycle_ms, count, wish = {}) {
  const { one } = session();
  Object.assign(one.wish, wish);
  for (let k = 0; k < count; k++) one.measure({ r: one.wish.r, cycle_ms });
  return one.wish.r;
}

test("the step becomes the smallest that lasts three times the cycle", () => {
  assert.strictEqual(measured(70, 60), 1 / 16);
  assert.strictEqual(measured(20, 60), 1 / 32);
  assert.strictEqual(measured(240, 60), 1 / 8);
  assert.strictEqual(measured(1400, 60), 1 / 2);
  assert.strictEqual(measured(70, 3), 1 / 4, "not before it was measured");
  assert.strictEqual(measured(70, 60, { auto: false }), 1 / 4);
  assert.ok(measured(70, 60, { latency: 0.2 * RATE }) > 1 / 16, "the latency is a part of it");
});

test("a cycle that varies does not make the step go to and fro", () => {
  const { one } = session(), steps = [];
  for (let k = 0; k < 200; k++) {
    one.measure({ r: one.wish.r, cycle_ms: k % 20 < 10 ? 60 : 300 });
    steps.push(one.wish.r);
  }
  assert.ok(steps.filter((r, k) => k && r !== steps[k - 1]).length <= 5);
});

test("a model that is to play nothing is not reported as one that does not answer", () => {
  const { one, shown, sent, step } = session();
  one.greet();
  one.wish.stems = [0, 0, 0, 0];
  sent.length = 0;
  for (let batch = 1; batch <= 8; batch++) {
    step(batch);
    one.hear(pack("/batch_dropped", "i", [batch]));
  }
  assert.deepStrictEqual([shown, one.counts.dropped, sent.filter(message => message.address === "/context").length], [[], 0, 8 * 15]);
  one.wish.stems = [1, 0, 0, 0];
  for (let batch = 9; batch <= 12; batch++) step(batch);
  one.hear(pack("/batch_dropped", "i", [12]));
  assert.deepStrictEqual([shown.map(what => what.type), one.counts.dropped], [["trouble"], 1]);
});

test("where the server gives up one step after another the step becomes larger, and the page says why", () => {
  const { one, shown, step } = session();
  one.greet();
  one.hear(pack("/ready"));
  shown.length = 0;
  one.wish.r = 1 / 16;
  step(1);
  one.hear(pack("/batch_dropped", "i", [1]));
  assert.strictEqual(one.wish.r, 1 / 16, "one alone may have been an accident");
  for (const batch of [2, 3, 4]) {
    step(batch);
    one.hear(pack("/batch_dropped", "i", [batch]));
  }
  assert.deepStrictEqual([one.wish.r, one.counts.dropped], [1 / 2, 4]);
  assert.match(shown.find(what => what.type === "trouble").text, /too slow/);
});

test("a late answer makes the step larger, once", () => {
  const { one, step } = session();
  one.greet();
  one.wish.r = 1 / 8;
  step(1);
  one.late(1);
  one.late(1);
  assert.deepStrictEqual([one.wish.r, one.counts.late], [1 / 4, 1]);
});

test("the sweep is found in noise to the sample, and not where it is not", () => {
  const recorded = samples(4000 + 2048, () => 0.01 * (Math.random() - 0.5));
  sweep().forEach((x, k) => (recorded[1234 + k] += 0.2 * x));
  assert.strictEqual(locate(recorded), 1234);
  assert.strictEqual(locate(samples(5000, () => Math.random() - 0.5)), null);
  assert.strictEqual(locate(new Float32Array(5000)), null);
});

test("a recording begins and ends where it was asked to", () => {
  const recorder = new Recorder();
  recorder.begin(100);
  recorder.add("context", 50, samples(100, k => 50 + k));
  recorder.add("context", 150, samples(100, k => 150 + k));
  recorder.end(200);
  recorder.add("answer", 80, samples(300, k => -2 * (80 + k)));
  assert.deepStrictEqual([recorder.samples("context")[0], recorder.samples("context").length], [100, 100]);
  assert.deepStrictEqual([recorder.samples("answer")[0], recorder.samples("answer").at(-1)], [-200, -398]);
  const mix = new Float32Array(recorder.file("mix", [])[1], 44);
  assert.ok(Math.abs(mix[0] + 100 / 199) < 1e-6 && mix[99] === -1, "the sum, as loud as can be");
});

test("files are WAV and MIDI; notes that go on are one", () => {
  const file = Buffer.from(wav(new Float32Array([0.5, -1]), RATE));
  assert.deepStrictEqual([file.toString("latin1", 0, 4), file.readUInt32LE(24), file.readFloatLE(44), file.readFloatLE(48)], ["RIFF", RATE, 0.5, -1]);
  const notes = joined([["bass", 0, 2048, 40, 1], ["bass", 2048, 2048, 40, 0], ["bass", 4096, 10, 40, 1], ["drums", 0, 1, "snare", 1]]);
  assert.deepStrictEqual(notes.map(note => note.length), [4096, 10, 1]);
  const bytes = Buffer.from(midi(notes, RATE));
  assert.strictEqual(bytes.toString("latin1", 0, 4), "MThd");
  assert.strictEqual(bytes.readUInt16BE(10), 2, "a track for each stem");
  assert.ok(bytes.includes(Buffer.from([0x90, 40, 80])) && bytes.includes(Buffer.from([0x99, 38, 80])));
});

test("keys do what is written on the buttons, and stay in text fields", () => {
  for (const command of COMMANDS) assert.strictEqual(commandOf({ key: command.key, target: { tagName: "BODY" } }), command);
  assert.strictEqual(new Set(COMMANDS.map(command => command.key)).size, COMMANDS.length);
  assert.strictEqual(commandOf({ key: "f", target: { tagName: "TEXTAREA" } }), undefined);
  assert.strictEqual(commandOf({ key: "Escape", target: { tagName: "TEXTAREA" } }).name, "panic");
  assert.strictEqual(commandOf({ key: "f", ctrlKey: true, target: { tagName: "BODY" } }), undefined);
  assert.strictEqual(commandOf({ key: " ", target: { tagName: "BUTTON" } }), undefined, "it presses the button");
});

test("a pedal is learnt by pressing it, and forgotten when it learns something else", () => {
  const kept = new Map(), store = { getItem: key => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const pedals = new Pedals(store), [fill, end] = ["fill", "end"].map(name => COMMANDS.find(command => command.name === name));
  assert.strictEqual(pedals.press([0x90, 36, 100]), undefined);
  pedals.learning = fill;
  assert.strictEqual(pedals.press([0x90, 36, 0]), undefined, "letting go is no press");
  assert.strictEqual(pedals.press([0x90, 36, 100]), null);
  assert.strictEqual(new Pedals(store).press([0x90, 36, 1]), fill);
  pedals.learning = end;
  pedals.press([0x90, 36, 100]);
  assert.strictEqual(pedals.press([0x90, 36, 100]), end);
  assert.deepStrictEqual([[0xb1, 64, 127], [0xc0, 5], [0xf8]].map(nameOf), ["controller 64 of channel 2", "program 5 of channel 1", null]);
  assert.deepStrictEqual(new Pedals({ getItem: () => "{" }).learnt, {});
});

test("the strip keeps the outline of sounds by place, and the newest word on each beat", () => {
  const trace = new Trace();
  trace.add(441, new Float32Array(441).fill(0.5));
  trace.add(441 * 5000, new Float32Array(441).fill(0.25));
  assert.deepStrictEqual([...trace.between(441 * 5000, 441 * 5001)], [[441 * 5000, 0.25]]);
  assert.deepStrictEqual([...trace.between(0, 882)].length, 1);
  const beats = new Beats();
  beats.tell([[0, 0], [100, 1], [200, 2]], 4, 0);
  beats.tell([[110, 1], [210, 2]], 4, 100);
  assert.deepStrictEqual([50, 115, 220, 300_000].map(place => beats.at(place)), [0, 1, 2, -1]);
});
