"use strict";
// [node.script accomp-net.js @autostart 1]: the network. It holds no audio; samples pass through as lists.
//
// From Max   server HOST SERVERPORT CLIENTPORT | tell ADDRESS TAGS ARGS... | context BATCH START TOTAL SAMPLES...
// To Max     chunk STEM BATCH INDEX TOTAL SAMPLES... | ready | lost | dropped BATCH | trouble TEXT | report CYCLE LEAD MISSING | plan TEXT

const Max = require("max-api");
const dgram = require("dgram");
const osc = require("./accomp-osc.js");

const STEMS = ["bass", "drums", "guitar", "piano"];
const BUFFER_BYTES = 4 << 20;
const ASK_MS = 1000; // between two questions whether the server is there
const LOST_MS = 3000; // without a word from it

let at = { host: "127.0.0.1", serverport: 7000, clientport: 8000 };
let rx = null;
let heardAt = 0;
let lost = true;

const tx = dgram.createSocket("udp4");
tx.on("error", error => Max.outlet("trouble", error.message));
tx.bind(0, () => grow(() => tx.setSendBufferSize(BUFFER_BYTES)));

function grow(set) {
  try {
    set();
  } catch (error) {
    // the system gives less: answers are paced and get through all the same
  }
}

function send(bytes) {
  tx.send(bytes, at.serverport, at.host, error => {
    if (!error) return;
    const size = "this system does not send datagrams of " + bytes.length + " bytes: choose fewer samples, 1837 or less";
    Max.outlet("trouble", error.code === "EMSGSIZE" ? size : "cannot send to " + at.host + ": " + (error.code || error));
  });
}

function hear(bytes) {
  let message;
  try {
    message = osc.parse(bytes);
  } catch (error) {
    return; // noise on the wire
  }
  heardAt = Date.now();
  const name = message.address.slice(1);
  const stem = STEMS.indexOf(name);
  if (stem >= 0 && message.tags.startsWith("iii")) Max.outlet("chunk", stem, ...message.args);
  else if (name === "ready") {
    if (lost) Max.outlet("ready");
    lost = false; // from now on it is asked for its /status instead
  } else if (name === "batch_dropped") Max.outlet("dropped", message.args[0]);
  else if (name === "status") report(message.args[0]);
  else if (name === "plan") Max.outlet("plan", message.args[0]);
}

function report(text) {
  let said = {};
  try {
    said = JSON.parse(text);
  } catch (error) {
    return;
  }
  if ("batch_id" in said) Max.outlet("report", said.cycle_ms, said.lead_ms, said.missing);
  else if (said.error || said.said) Max.outlet("trouble", said.error || said.said);
  else if ("model" in said) Max.outlet("model", String(said.model));
}

function listen() {
  if (rx) rx.close();
  const mine = (rx = dgram.createSocket("udp4"));
  mine.on("error", error => {
    const taken = "port " + at.clientport + " is taken by another program: close it, or choose another port here and for serve.py";
    Max.outlet("trouble", error.code === "EADDRINUSE" ? taken : error.message);
    mine.close();
    if (rx === mine) rx = null;
  });
  mine.on("message", hear);
  mine.bind(at.clientport, () => grow(() => mine.setRecvBufferSize(BUFFER_BYTES)));
}

Max.addHandler("server", (host, serverport, clientport) => {
  at = { host: String(host), serverport, clientport };
  lost = true;
  heardAt = Date.now();
  listen();
  send(osc.pack("/load_model", "", []));
});
Max.addHandler("tell", (address, tags, ...args) => send(osc.pack(address, tags === "none" ? "" : tags, args)));
Max.addHandler("context", (batch, start, total, ...samples) =>
  send(osc.pack("/context", "iii" + "f".repeat(samples.length), [batch, start, total, ...samples]))
);

setInterval(() => {
  if (!rx) return listen();
  send(osc.pack(lost ? "/load_model" : "/status", "", []));
  if (Date.now() - heardAt < LOST_MS) return;
  heardAt = Date.now() + 1e12; // said once, until it is heard again
  lost = true;
  Max.outlet("lost");
}, ASK_MS);
