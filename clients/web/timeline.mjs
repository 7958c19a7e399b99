// The numbers that hold everywhere (accomp/timeline.py).

export const RATE = 44100; // Hz
export const WINDOW = 264600; // samples; T
export const STEMS = ["bass", "drums", "guitar", "piano"];
