"use strict";
// OSC 1.0 messages, no more of it than the server speaks: tags i f d s T F, no bundles.

const padded = length => (length + 4) & ~3; // of a string with its closing zeros

/** A message as bytes: message("/w", "d", [1]). */
function pack(address, tags, args) {
  const sizes = { i: () => 4, f: () => 4, d: () => 8, s: text => padded(text.length), T: () => 0, F: () => 0 };
  let size = padded(address.length) + padded(tags.length + 1);
  for (let k = 0; k < tags.length; k++) size += sizes[tags[k]](String(args[k]));
  const bytes = Buffer.alloc(size);
  bytes.write(address, 0, "latin1");
  let at = padded(address.length);
  bytes.write("," + tags, at, "latin1");
  at += padded(tags.length + 1);
  for (let k = 0; k < tags.length; k++) {
    const tag = tags[k];
    if (tag === "i") at = bytes.writeInt32BE(Math.trunc(args[k]), at);
    else if (tag === "f") at = bytes.writeFloatBE(args[k], at);
    else if (tag === "d") at = bytes.writeDoubleBE(args[k], at);
    else if (tag === "s") {
      bytes.write(String(args[k]), at, "latin1");
      at += padded(String(args[k]).length);
    }
  }
  return bytes;
}

function readString(bytes, at) {
  const end = bytes.indexOf(0, at);
  if (end < 0) throw new Error("a string without an end");
  return [bytes.toString("latin1", at, end), (end + 4) & ~3];
}

/** Bytes as {address, tags, args}; throws on anything that is not a message. */
function parse(bytes) {
  if (bytes.length % 4 || bytes[0] !== 0x2f) throw new Error("not an OSC message");
  let [address, at] = readString(bytes, 0);
  let tags = "";
  if (at < bytes.length) [tags, at] = readString(bytes, at);
  tags = tags.slice(1);
  const args = [];
  for (const tag of tags) {
    if (tag === "i") args.push(bytes.readInt32BE(at)), (at += 4);
    else if (tag === "f") args.push(bytes.readFloatBE(at)), (at += 4);
    else if (tag === "d") args.push(bytes.readDoubleBE(at)), (at += 8);
    else if (tag === "T" || tag === "F") args.push(tag === "T" ? 1 : 0);
    else if (tag === "s") {
      let text;
      [text, at] = readString(bytes, at);
      args.push(text);
    } else throw new Error("unknown tag " + tag);
  }
  return { address, tags, args };
}

module.exports = { pack, parse };
