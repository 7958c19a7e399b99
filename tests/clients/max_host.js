"use strict";
// Runs the files of clients/max in plain Node, in real time: a stand-in for max-api (lists go through JSON, as between
// Max and its Node process) and for the two buffers. Reads one JSON object of settings from the command line; writes what
// was heard (float32, bass drums guitar piano one after the other) to `heard`, what lies in the buffer at the end beside it, and every word for the displays to stdout.
const fs = require("fs");
const path = require("path");
const vm = require("vm");
const dgram = require("dgram");
const Module = require("module");

const given = JSON.parse(process.argv[2]);
const folder = path.join(__dirname, "..", "..", "clients", "max");
const bytes = fs.readFileSync(given.context);
const length = bytes.length / 4;
const you = new Float32Array(length + 5 * 132300); // the buffers go round: nothing of the end comes back to the beginning
you.set(new Float32Array(bytes.buffer, bytes.byteOffset, length));
const band = [0, 1, 2, 3].map(() => new Float32Array(you.length));
const heard = band.map(() => new Float32Array(length));
const LONGEST = 32767; // atoms in a list of Max

class MaxBuffer {
  constructor(name) {
    this.channels = name === "accomp-you" ? [you] : band;
  }
  framecount() { return you.length; }
  channelcount() { return this.channels.length; }
  peek(channel, frame, count) {
    const part = this.channels[channel - 1].subarray(frame, frame + count);
    return count === 1 ? part[0] : Array.from(part);
  }
  poke(channel, frame, values) { this.channels[channel - 1].set([].concat(values), frame); }
  send(message) { if (message === "clear" && this.channels !== undefined) this.channels.forEach(c => c.fill(0)); }
  freepeer() {}
}

function cross(list) {
  if (list.length > LONGEST) throw new Error("a list of " + list.length);
  if (list.some(x => !["number", "string"].includes(typeof x))) throw new Error("not atoms: " + JSON.stringify(list.slice(0, 9)));
  return JSON.parse(JSON.stringify(list));
}

// A system that sends no datagrams of more bytes than this, as a Mac does.
const create = dgram.createSocket;
dgram.createSocket = kind => {
  const socket = create(kind), send = socket.send.bind(socket);
  socket.send = (bytes, port, host, done) =>
    bytes.length > (given.largest || 65507) ? done({ code: "EMSGSIZE" }) : send(bytes, port, host, done);
  return socket;
};

const handlers = {};
const maxApi = {
  addHandler: (name, handler) => { handlers[name] = handler; },
  post: (...words) => console.log("post", ...words),
  outlet: (...list) => {
    list = cross(list);
    setImmediate(() => call(list));
  },
};
const load = Module._load;
Module._load = (name, ...rest) => (name === "max-api" ? maxApi : load.call(Module, name, ...rest));

const patch = vm.createContext({
  Buffer: MaxBuffer, Math, post: console.log,
  outlet: (number, list) => {
    list = cross(list);
    if (number === 1) return console.log(list.join(" "));
    if (!handlers[list[0]]) throw new Error("accomp-net.js knows no " + list[0]);
    handlers[list[0]](...list.slice(1));
  },
});
vm.runInContext(fs.readFileSync(path.join(folder, "accomp-buffers.js"), "utf8"), patch);
const call = ([name, ...rest]) => (typeof patch[name] === "function" ? patch[name] : patch.anything)(...rest);
require(path.join(folder, "accomp-net.js"));

call(["source", 2]);
handlers.server("127.0.0.1", given.serverport, given.clientport);
for (const message of given.before) call(message);
const begin = () => {
  call(["play", 1]);
  const origin = performance.now();
  let head = 0;
  const timer = setInterval(() => {
    const at = Math.min(length, Math.floor((performance.now() - origin) * 44.1));
    band.forEach((channel, k) => heard[k].set(channel.subarray(head, at), head));
    head = at;
    call(["position", head]);
    while (given.during.length && head >= given.during[0][0]) {
      console.log("at", head);
      call(given.during.shift()[1]);
    }
    if (head < length) return;
    clearInterval(timer);
    fs.writeFileSync(given.heard, Buffer.concat(heard.map(channel => Buffer.from(channel.buffer))));
    fs.writeFileSync(given.heard + ".written", Buffer.concat(band.map(channel => Buffer.from(channel.buffer, 0, bytes.length))));
    const used = process.cpuUsage();
    console.log("cpu", (used.user + used.system) / 1e6 / process.uptime());
    process.exit(0);
  }, 10);
};
setTimeout(begin, given.wait_ms);
