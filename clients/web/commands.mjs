// What can be done by key and by pedal, and which MIDI message does it.

/** name, key, and what the button says; `app` has a method of each name. */
export const COMMANDS = [
  { name: "toggle", key: " ", label: "Play / stop", shown: "Space" },
  { name: "countIn", key: "c", label: "Count in", lead: true },
  { name: "whenIStart", key: "w", label: "When I start", lead: true },
  { name: "tap", key: "t", label: "Tap ×4", lead: true },
  { name: "listen", key: "m", label: "Follow me", lead: true },
  { name: "end", key: "e", label: "End", lead: true },
  { name: "fill", key: "f", label: "Fill", lead: true },
  { name: "break", key: "b", label: "Break", lead: true },
  { name: "follow", key: "l", label: "Follow the lead sheet" },
  { name: "hold", key: "k", label: "Hold the chord" },
  { name: "release", key: "j", label: "Release the chord" },
  ...["bass", "drums", "guitar", "piano"].map((stem, k) => ({ name: "stem", argument: k, key: String(k + 1), label: `${stem} on / off` })),
  { name: "record", key: "r", label: "Record" },
  { name: "panic", key: "Escape", label: "Silence", lead: true, shown: "Esc" },
];

const TYPING = ["INPUT", "TEXTAREA", "SELECT"];

/** The command of a key press, or undefined; keys of a text field, and of the focused button, stay theirs, but for Escape. */
export function commandOf({ key, target, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey) return undefined;
  if (key !== "Escape" && TYPING.includes(target?.tagName) && target.type !== "range") return undefined;
  if (target?.tagName === "BUTTON" && key === " ") return undefined;
  return COMMANDS.find(command => command.key === (key.length === 1 ? key.toLowerCase() : key));
}

/** What a MIDI message is called: "note 36 of channel 10"; null for one that does not press anything. */
export function nameOf([status, number = 0, value = 0]) {
  const channel = (status & 15) + 1;
  if ((status & 0xf0) === 0x90 && value) return `note ${number} of channel ${channel}`;
  if ((status & 0xf0) === 0xb0 && value >= 64) return `controller ${number} of channel ${channel}`;
  if ((status & 0xf0) === 0xc0) return `program ${number} of channel ${channel}`;
  return null;
}

/** Which message does what; `store` is localStorage. */
export class Pedals {
  constructor(store) {
    this.store = store;
    this.learning = null;
    try {
      this.learnt = JSON.parse(store.getItem("pedals")) ?? {};
    } catch {
      this.learnt = {};
    }
  }

  id(command) {
    return command.name + (command.argument ?? "");
  }

  /** The command that a message asks for; while one is being learnt, the message is kept for it instead. */
  press(bytes) {
    const name = nameOf(bytes);
    if (!name) return undefined;
    if (this.learning) {
      this.learnt = Object.fromEntries(Object.entries(this.learnt).filter(([, other]) => other !== name));
      this.learnt[this.id(this.learning)] = name;
      this.learning = null;
      this.store.setItem("pedals", JSON.stringify(this.learnt));
      return null;
    }
    return COMMANDS.find(command => this.learnt[this.id(command)] === name);
  }
}
