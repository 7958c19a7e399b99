"""Builds a data set in Slakh2100's layout from songs: composed here (`compose`), or read from MIDI files (`tracks`)."""
