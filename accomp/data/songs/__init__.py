"""Songs to train on, written as MIDI: chord charts played by MMA, and POP909 with a band around its piano."""
