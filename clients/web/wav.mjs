// Sound files and MIDI files as bytes.

const TEXT = new TextEncoder();

/** A mono WAV file of 32-bit floating point samples. */
export function wav(samples, rate) {
  const bytes = new ArrayBuffer(44 + 4 * samples.length), view = new DataView(bytes);
  new Uint8Array(bytes).set(TEXT.encode("RIFF....WAVEfmt "));
  view.setUint32(4, 36 + 4 * samples.length, true);
  [[16, 4], [3, 2], [1, 2], [rate, 4], [4 * rate, 4], [4, 2], [32, 2]].reduce((at, [value, size]) => {
    if (size === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    return at + size;
  }, 16);
  new Uint8Array(bytes).set(TEXT.encode("data"), 36);
  view.setUint32(40, 4 * samples.length, true);
  new Float32Array(bytes, 44).set(samples);
  return bytes;
}

const TICKS = 480; // a quarter note, at 120 beats a minute: 960 ticks a second
const DRUMS = { kick: 36, snare: 38, "closed hat": 42, "open hat": 46, "low tom": 45, "high tom": 50, crash: 49, ride: 51 };
const PROGRAMS = { bass: 33, drums: 0, guitar: 25, piano: 0 };

/** Notes that are said step by step, [stem, place, samples, pitch or drum, begins], with those that go on joined. */
export function joined(notes) {
  const found = [], sounding = new Map();
  for (const [stem, at, length, what, begins] of notes) {
    const key = stem + what, before = sounding.get(key);
    if (!begins && before && before.at + before.length === at) before.length += length;
    else {
      const note = { stem, at, length, what };
      found.push(note);
      sounding.set(key, note);
    }
  }
  return found;
}

/** A MIDI file of one track for each stem. */
export function midi(notes, rate) {
  const stems = [...new Set(notes.map(note => note.stem))];
  const tracks = stems.map((stem, k) => {
    const channel = stem === "drums" ? 9 : k;
    const events = notes.filter(note => note.stem === stem).flatMap(({ at, length, what }) => {
      const pitch = DRUMS[what] ?? what, tick = place => Math.max(0, Math.round((place / rate) * 2 * TICKS));
      const end = stem === "drums" ? tick(at) + 60 : Math.max(tick(at + length), tick(at) + 1);
      return [[tick(at), 1, [0x90 | channel, pitch, 80]], [end, 0, [0x80 | channel, pitch, 0]]];
    });
    events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    let now = 0;
    const body = [0, 0xff, 3, stem.length, ...TEXT.encode(stem), 0, 0xc0 | channel, PROGRAMS[stem]];
    for (const [tick, , bytes] of events) {
      body.push(...variable(tick - now), ...bytes);
      now = tick;
    }
    return chunk("MTrk", [...body, 0, 0xff, 0x2f, 0]);
  });
  return Uint8Array.from([...chunk("MThd", [0, 1, 0, tracks.length, TICKS >> 8, TICKS & 255]), ...tracks.flat()]);
}

function variable(value) {
  const bytes = [value & 127];
  while ((value >>= 7)) bytes.unshift((value & 127) | 128);
  return bytes;
}

function chunk(name, body) {
  const n = body.length;
  return [...TEXT.encode(name), (n >> 24) & 255, (n >> 16) & 255, (n >> 8) & 255, n & 255, ...body];
}
