// OSC 1.0 messages as bytes: those of the protocol (clients/python/README.md), which pass one in each WebSocket message.

import { STEMS } from "./timeline.mjs";

const TEXT = new TextEncoder();
const padded = length => (length + 4) & ~3; // a string and at least one zero

function writeString(bytes, at, text) {
  bytes.set(TEXT.encode(text), at);
  return at + padded(text.length);
}

/** A message of a few values: tags of i, f, d and s. */
export function pack(address, tags = "", values = []) {
  const sizes = { i: () => 4, f: () => 4, d: () => 8, s: text => padded(text.length) };
  const size = [...tags].reduce((sum, tag, k) => sum + sizes[tag](values[k]), 0);
  const bytes = new Uint8Array(padded(address.length) + padded(tags.length + 1) + size);
  const view = new DataView(bytes.buffer);
  let at = writeString(bytes, writeString(bytes, 0, address), "," + tags);
  [...tags].forEach((tag, k) => {
    if (tag === "s") at = writeString(bytes, at, values[k]);
    else {
      if (tag === "i") view.setInt32(at, values[k]);
      else if (tag === "f") view.setFloat32(at, values[k]);
      else view.setFloat64(at, values[k]);
      at += tag === "d" ? 8 : 4;
    }
  });
  return bytes;
}

/** A part of what is played: batch, place in the batch, datagrams in it, samples. */
export function packBlock(plane, batch, start, total, samples) {
  const address = padded(plane.length + 1), tags = padded(samples.length + 4);
  const bytes = new Uint8Array(address + tags + 12 + 4 * samples.length);
  const view = new DataView(bytes.buffer);
  writeString(bytes, 0, "/" + plane);
  bytes.fill(0x66, address, address + 4 + samples.length); // f
  bytes.set([0x2c, 0x69, 0x69, 0x69], address); // ,iii
  let at = address + tags;
  for (const number of [batch, start, total]) view.setInt32((at += 4) - 4, number);
  for (let k = 0; k < samples.length; k++) view.setFloat32(at + 4 * k, samples[k]);
  return bytes;
}

function readString(bytes, at) {
  let end = at;
  while (end < bytes.length && bytes[end]) end++;
  if (end === bytes.length) throw new Error("a text without an end");
  return [String.fromCharCode(...bytes.subarray(at, end)), at + padded(end - at)];
}

/** {address, numbers, samples} of an answer, {address, values} of any other message. Throws on what is none. */
export function parse(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [address, after] = readString(bytes, 0);
  const [tags, first] = readString(bytes, after);
  let at = first;
  if (tags.startsWith(",iii") && STEMS.includes(address.slice(1))) {
    const numbers = [0, 4, 8].map(k => view.getInt32(at + k));
    const samples = new Float32Array(tags.length - 4);
    for (let k = 0; k < samples.length; k++) samples[k] = view.getFloat32(at + 12 + 4 * k);
    return { address, numbers, samples };
  }
  const values = [];
  for (const tag of tags.slice(1)) {
    if (tag === "s") {
      const [text, next] = readLong(bytes, at);
      values.push(text);
      at = next;
    } else if (tag === "i" || tag === "f") {
      values.push(tag === "i" ? view.getInt32(at) : view.getFloat32(at));
      at += 4;
    } else if (tag === "d") {
      values.push(view.getFloat64(at));
      at += 8;
    } else values.push(tag === "T");
  }
  return { address, values };
}

function readLong(bytes, at) {
  const end = bytes.indexOf(0, at);
  if (end < 0) throw new Error("a text without an end");
  return [new TextDecoder().decode(bytes.subarray(at, end)), at + padded(end - at)];
}
