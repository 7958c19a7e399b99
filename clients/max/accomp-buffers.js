// [v8 accomp-buffers.js], or [js ...] before Max 9: the timeline. Reads what you play from buffer~ accomp-you, asks for an
// answer at the end of every step, and writes it into buffer~ accomp-band (bass drums guitar piano), crossfaded.
//
// Positions are samples since Play, counted on; the buffers are rings. An answer is placed by its batch number and chunk
// index alone, so that the order of arrival does not matter. ECMAScript 5, for the sake of [js].
autowatch = 1;
inlets = 1;
outlets = 2; // 0: to node.script; 1: to the displays

var T = 264600;
var RATE = 44100;
var KEPT = 16; // batches whose answer may still come

var set = { r: 0.25, w: 1, fade: 0.02, pack: 1470, flags: [1, 0, 0, 0] }; // by the player
var now = {}; // what holds in this step
var changed = false;
var playing = false;
var batch = 0;
var next = 0; // where the step ends that is being played
var asked = {}; // batch -> where its answer belongs
var counts = { asked: 0, answered: 0, late: 0, dropped: 0, silent: 0 };
var mode = 0; // live, loop or file
var lap = 0;
var frames = 0; // of the rings
var beat = { bpm: 0, meter: 4, at: 0, beat: 0 }; // beat `beat` of the bar is at position `at`
var place = 0; // the last position heard of
var kept = {}; // address -> value: a server that begins anew is told them again

function show() {
  outlet(1, Array.prototype.slice.call(arguments));
}

function say(text) {
  outlet(1, ["state", text]);
}

function tell(address, tags, args) {
  outlet(0, ["tell", address, tags].concat(args));
}

function whole(x) {
  // as the server truncates; 0.29999999 * T is meant as 0.3 * T
  x = Math.round(x * 1e6) / 1e6;
  return x < 0 ? Math.ceil(x) : Math.floor(x);
}

// ---------------------------------------------------------------------------------------------------- settings

function settle() {
  // let the settings hold, and tell the server
  changed = false;
  now = {
    step: whole(T * set.r), offset: whole(set.w * set.r * T), fade: whole(set.fade * RATE), pack: set.pack,
    flags: set.flags.slice()
  };
  tell("/update_package_size", "i", [set.pack]);
  tell("/update_r", "d", [set.r]);
  tell("/w", "d", [set.w]);
  tell("/update_fade", "d", [set.fade]);
  tell("/predict_instruments", "iiii", set.flags);
}

function change(name, value) {
  set[name] = value;
  if (playing) changed = true;
  else settle();
}

function r(x) { change("r", Math.min(1, Math.max(1 / 128, x))); }
function w(x) { change("w", Math.min(8, Math.max(-1, x))); }
function fade(x) { change("fade", Math.min(1, Math.max(0, x))); }
function instrument(stem, on) {
  var flags = set.flags.slice();
  flags[stem] = on ? 1 : 0;
  change("flags", flags);
}
function instruments(a, b, c, d) { change("flags", [a ? 1 : 0, b ? 1 : 0, c ? 1 : 0, d ? 1 : 0]); }
function samples(n) {
  change("pack", Math.min(13095, Math.max(128, Math.floor(n))));
  if (n > 13095) say("at most 13095 samples fit into a datagram");
  else if (n > 1837) say("above 1837 samples nothing leaves a Mac unless net.inet.udp.maxdgram is raised");
}

// ------------------------------------------------------------------------------------------------------ rings

function fetch(buffer, channel, start, count) {
  var frames = buffer.framecount(), out = [], some;
  for (start = ((start % frames) + frames) % frames; count > 0; start = 0) {
    some = Math.min(count, frames - start);
    out = out.concat(buffer.peek(channel, start, some)); // one sample comes as a number, several as a list
    count -= some;
  }
  return out;
}

function store(buffer, channel, start, values) {
  var frames = buffer.framecount(), done = 0, count;
  for (start = ((start % frames) + frames) % frames; done < values.length; start = 0) {
    count = Math.min(values.length - done, frames - start);
    buffer.poke(channel, start, values.slice(done, done + count));
    done += count;
  }
}

function zeros(count) {
  var out = [], i;
  for (i = 0; i < count; i++) out.push(0);
  return out;
}

function clear(name) {
  var buffer = new Buffer(name);
  buffer.send("clear");
  free(buffer);
}

function free(buffer) {
  if (buffer.freepeer) buffer.freepeer();
}

// ------------------------------------------------------------------------------------------------------ playing

function play(on) {
  playing = false;
  if (!on) {
    sound(0, 0, 0);
    return say("stopped");
  }
  settle();
  frames = equal();
  if (frames < now.offset + 3 * now.step)
    return say("make the buffers longer than " + Math.ceil((now.offset + 3 * now.step) / RATE) + " s, or the step smaller");
  clear("accomp-band");
  if (mode < 2) clear("accomp-you");
  batch = place = lap = beat.at = beat.beat = 0;
  asked = {};
  next = now.step;
  counts = { asked: 0, answered: 0, late: 0, dropped: 0, silent: 0 };
  tell("/reset", "i", [1]);
  show("length", frames);
  sound(mode < 2 ? 1 : 0, mode > 0 ? 1 : 0, 1);
  playing = true;
  say("playing");
}

function sound(record, own, band) {
  show("record", record);
  show("own", own);
  show("band", band);
}

// live 0: what you play; loop 1: the first round is recorded, the others repeat it; file 2: what is in accomp-you
function source(kind) {
  mode = kind;
  if (playing) play(1);
}

function equal() {
  // the band's buffer becomes as long as yours, which a file may have changed
  var you = new Buffer("accomp-you"), band = new Buffer("accomp-band"), length = you.framecount();
  if (band.framecount() !== length) band.send("sizeinsamps", length);
  free(you);
  free(band);
  return length;
}

// The head has come to this sample. Steps that were missed while Max was busy are left out, and counted by the server.
function position(p) {
  if (!playing) return;
  place = p;
  if (mode === 1 && lap === 0 && p >= frames) {
    lap = 1;
    sound(0, 1, 1);
  }
  if (p < next - 2 * now.step) return play(1);
  while (p >= next + now.step) {
    batch++;
    next += now.step;
  }
  if (p < next) return;
  ask(next);
  if (changed) settle();
  next += now.step;
}

function ask(curr) {
  var you = new Buffer("accomp-you"), band = new Buffer("accomp-band"), channel, k, chunks, total, part;
  batch++;
  asked[batch] = { start: curr + now.offset - now.fade, fade: now.fade, pack: now.pack, chunks: 0, since: curr,
                   last: Math.floor((now.step + now.fade - 1) / now.pack), lead: now.offset - now.fade };
  delete asked[batch - KEPT];
  for (channel = 1; channel <= 4; channel++)
    if (now.flags[channel - 1]) store(band, channel, curr + now.offset, zeros(now.step));
  chunks = Math.ceil(now.step / now.pack);
  total = chunks * Math.max(1, now.flags[0] + now.flags[1] + now.flags[2] + now.flags[3]); // the server counts so
  for (k = 0; k < chunks; k++) {
    part = fetch(you, 1, curr - now.step + k * now.pack, Math.min(now.pack, now.step - k * now.pack));
    outlet(0, ["context", batch, k * now.pack, total].concat(part));
  }
  free(you);
  free(band);
  if (beat.bpm >= 20) tell("/clock", "ddii", [beatAt(curr), beat.bpm, beat.meter, batch]);
  counts.asked = batch;
  counts.silent++;
  show("asked", batch);
  if (counts.silent === 4) say("no answer to the last 3 steps: is serve.py running, and are the ports the same?");
}

function chunk() {
  var a = arguments, stem = a[0], id = a[1], index = a[2], n = a.length - 4, to = asked[id], i, t, old, offset, values, band;
  if (!playing || !to || n <= 0) return; // an empty chunk only says where the others belong
  values = Array.prototype.slice.call(a, 4);
  offset = index * to.pack;
  band = new Buffer("accomp-band");
  if (offset < to.fade) {
    old = fetch(band, stem + 1, to.start + offset, Math.min(n, to.fade - offset));
    for (i = 0; i < old.length; i++) {
      t = (offset + i) / to.fade;
      values[i] = old[i] * (1 - t) + values[i] * t;
    }
  }
  store(band, stem + 1, to.start + offset, values);
  free(band);
  counts.silent = 0;
  if (index === to.last && !to.done) {
    to.done = true;
    show("answered", ++counts.answered);
    show("lead", Math.round((1000 * (to.start - place)) / RATE));
    if (place > to.start) show("late", ++counts.late);
  }
}

// --------------------------------------------------------------------------------------------------- the server

function ready() {
  say("ready");
  tell("/hello", "iis", [RATE, T, "max"]);
  tell("/plan", "i", [2]);
  for (var address in kept) tell(address, "d", [kept[address]]);
  settle();
}
function lost() { say("no word from the server: is serve.py running with this --clientport?"); }
function trouble() { say(Array.prototype.slice.call(arguments).join(" ")); }
function dropped(id) {
  show("dropped", ++counts.dropped);
  settle(); // it may have been started anew, and know nothing
}
function keep(address, value) {
  kept[address] = value;
  tell(address, "d", [value]);
}
function rest(bars) { keep("/rest", bars); }
function balance(db) { keep("/balance", db); }
function density(share) { keep("/density", share); }

// The player leads: each begins at the first beat or bar line that is not sent yet. A count-in is also the beat from then on.
function start(bpm) {
  if (bpm) beat = { bpm: bpm, meter: beat.meter, at: place, beat: -4 };
  tell("/start", "dii", [bpm || 0, 4, beat.meter]);
}
function tap() { tell("/tap", "none", []); }
function stop() { tell("/stop", "none", []); }
function fill() { tell("/fill", "none", []); }
function pause(beats) { tell("/break", "i", [beats || 4]); }
function chord(name) { tell("/chord", "si", [String(name), 0]); }
function lead() { tell("/lead", "s", [Array.prototype.slice.call(arguments).join(" ")]); }

function report(cycle) { show("cycle", cycle); }
function model(name) { show("model", name); }
function plan(text) { show("plan", text); }
function panic() {
  play(0);
  clear("accomp-band");
  tell("/panic", "none", []);
}

// ----------------------------------------------------------------------------------------------------- the beat

function beatAt(p) {
  var b = beat.beat + ((p - beat.at) / RATE) * (beat.bpm / 60);
  return b - beat.meter * Math.floor(b / beat.meter);
}

// What Max's transport says, at the last position: bars beats units resolution bpm beats-in-a-bar state.
function transport(bars, beats, units, resolution, bpm, meter, state) {
  if (!state || bpm < 20) return tempo(0);
  beat = { bpm: bpm, meter: meter, at: place, beat: beats - 1 + units / resolution };
}
function tempo(bpm) {
  if (!bpm && beat.bpm) tell("/tempo", "d", [0]);
  beat = { bpm: bpm, meter: beat.meter, at: place, beat: beat.bpm ? beatAt(place) : 0 };
}
function meter(beats) { beat.meter = Math.max(1, Math.floor(beats)); }
function one() { // now
  beat.at = place;
  beat.beat = 0;
}
function anything() {}
