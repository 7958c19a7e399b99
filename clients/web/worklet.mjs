// The audio thread's side: an Engine, driven by the audio context and by messages of the page.

import { Engine } from "./engine.mjs";

const REPORT = 2048; // frames between two reports

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    const tell = message => this.port.postMessage(message, message.samples?.buffer ? [message.samples.buffer] : []);
    this.engine = new Engine(sampleRate, tell);
    this.reported = 0;
    this.port.onmessage = ({ data }) => {
      if (data.type === "play") this.engine.play(data.frame, data.settings, data.latency);
      else if (data.type === "stop") this.engine.stop();
      else if (data.type === "settings") this.engine.set(data.settings);
      else if (data.type === "chunk") this.engine.chunk(data, currentFrame);
      else if (data.type === "clear") for (const ring of this.engine.rings) ring.clear(0, ring.length);
      else if (data.type === "calibrate") this.engine.calibrate(data.sweep, data.length);
    };
  }

  process([inputs], [outputs]) {
    const engine = this.engine, mono = outputs[0];
    engine.process(currentFrame, average(inputs, mono.length), mono);
    for (const other of outputs.slice(1)) other.set(mono);
    if (currentFrame >= this.reported + REPORT) {
      this.reported = currentFrame;
      const place = engine.playing ? engine.place(currentFrame) : 0;
      this.port.postMessage({ type: "report", place, frame: currentFrame, peaks: engine.peaks, gaps: engine.gaps });
      engine.peaks = [0, 0];
    }
    return true;
  }
}

/** Several channels as one; the input has none while nothing is connected. */
function average(channels, length) {
  if (channels.length < 2) return channels[0] ?? new Float32Array(length);
  return channels[0].map((_, k) => channels.reduce((sum, channel) => sum + channel[k], 0) / channels.length);
}

registerProcessor("player", Player);
