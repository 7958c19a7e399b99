// The sound card by way of Web Audio: the worklet, a microphone or a file in front of it, and the choice of devices.

import { LONGEST, locate, sweep } from "./sweep.mjs";
import { RATE } from "./timeline.mjs";

const START_S = 0.1; // from Play to the first sample
const REASONS = {
  NotAllowedError: "the microphone was refused: allow it beside the page's address, or drop a sound file here",
  NotFoundError: "no microphone was found: plug one in, or drop a sound file here",
  NotReadableError: "the microphone cannot be opened: close the program that uses it, or choose another",
  OverconstrainedError: "that microphone is gone: choose another",
};

export class Audio {
  /** `hear` is given the worklet's messages. */
  constructor(hear) {
    this.hear = hear;
    this.source = null; // a node that plays into the worklet
    this.origin = 0; // frame of place 0
  }

  /** Make the audio context; a browser allows it only after a click or a key. */
  async open() {
    if (!this.context) {
      this.context = new AudioContext({ latencyHint: "interactive" });
      await this.context.audioWorklet.addModule("worklet.mjs");
      this.node = new AudioWorkletNode(this.context, "player", { outputChannelCount: [2] });
      this.node.port.onmessage = ({ data }) => this.hear(data);
      this.node.onprocessorerror = () => this.hear({ type: "broken" });
      this.node.connect(this.context.destination);
    }
    await this.context.resume();
  }

  post(message) {
    this.node?.port.postMessage(message);
  }

  /** The place that sounds now. */
  get now() {
    return this.context ? this.context.currentTime * RATE - (this.origin / this.context.sampleRate) * RATE : 0;
  }

  // ------------------------------------------------------------------------------------------------ what is played

  /** Connect the microphone. Throws an Error whose message can be shown. */
  async microphone(device) {
    if (!navigator.mediaDevices) throw new Error("a browser gives the microphone only to localhost and to https: open the page there");
    this.silence();
    const wanted = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
    if (device) wanted.deviceId = { exact: device };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `the microphone cannot be used: ${error.message}`);
    }
    this.stream.getTracks()[0].onended = () => this.hear({ type: "unplugged" });
    this.source = new MediaStreamAudioSourceNode(this.context, { mediaStream: this.stream });
    this.source.connect(this.node);
  }

  /** The sound of a file at the context's rate. Throws an Error whose message can be shown. */
  async decode(file) {
    if (!file.size) throw new Error(`${file.name} is empty: choose another file`);
    try {
      return await this.context.decodeAudioData(await file.arrayBuffer());
    } catch {
      throw new Error(`${file.name} is no sound that this browser can read: try WAV, FLAC, MP3 or OGG`);
    }
  }

  /** Begin; a file (AudioBuffer) sounds from the first sample on, and is heard. */
  play(settings, latency, buffer, ended) {
    const { currentTime, sampleRate } = this.context;
    this.origin = Math.ceil(((currentTime + START_S) * sampleRate) / 128) * 128;
    if (buffer) {
      this.silence();
      this.source = new AudioBufferSourceNode(this.context, { buffer });
      this.source.connect(this.node);
      this.source.connect(this.context.destination);
      this.source.onended = ended;
      this.source.start(this.origin / sampleRate);
    }
    this.post({ type: "play", frame: this.origin, settings, latency });
  }

  /** Clicks for the player alone, so many seconds from now. */
  click(times_s) {
    const { context } = this, now = context.currentTime;
    times_s.forEach((time, k) => {
      const tone = new OscillatorNode(context, { frequency: k ? 1000 : 1500 }), gain = new GainNode(context, { gain: 0.3 });
      gain.gain.setTargetAtTime(0, now + time, 0.02);
      tone.connect(gain).connect(context.destination);
      tone.start(now + time);
      tone.stop(now + time + 0.15);
    });
  }

  stop() {
    this.post({ type: "stop" });
    if (this.source instanceof AudioBufferSourceNode) this.silence();
  }

  /** Disconnect what is played. */
  silence() {
    if (this.source instanceof AudioBufferSourceNode) this.source.onended = null;
    this.source?.disconnect();
    this.stream?.getTracks().forEach(track => track.stop());
    this.source = this.stream = null;
  }

  // ------------------------------------------------------------------------------------------------ devices

  /** Inputs and outputs as [id, name]; names are known once the microphone was allowed. */
  async devices() {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    const unnamed = { audioinput: "microphone", audiooutput: "output" };
    const of = kind => all.filter(one => one.kind === kind)
      .map((one, k) => [one.deviceId, one.label || `${unnamed[kind]} ${k + 1}`]);
    return { inputs: of("audioinput"), outputs: AudioContext.prototype.setSinkId ? of("audiooutput") : [] };
  }

  /** Measure the way out and in again: samples at 44.1 kHz, or null when no sweep came back. */
  latency() {
    return new Promise(resolve => {
      const before = this.hear;
      this.hear = message => {
        if (message.type !== "calibrated") return before(message);
        this.hear = before;
        resolve(locate(message.samples));
      };
      this.post({ type: "calibrate", sweep: sweep(), length: LONGEST + 4096 });
    });
  }
}
