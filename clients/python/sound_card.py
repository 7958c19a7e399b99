"""The sound card of the player in Python: what you play goes in, what the model plays comes out."""

import logging
from contextlib import AbstractContextManager

import numpy as np

from accomp.errors import UserError
from accomp.server.output_buffers import OutputBuffers
from accomp.timeline import SAMPLE_RATE, to_samples

log = logging.getLogger(__name__)


class InputBuffer:
    """What the sound card's callback does with its samples.

    context    (N,) float32, filled as time goes by; after the first `loop` samples (0: never) it repeats itself
    position   samples so far; the live edge
    latency    samples from here to the loudspeaker and back: the model's part is played so much earlier
    """

    def __init__(self, context: np.ndarray, loop: int = 0):
        self.context, self.loop = context, loop
        self.position = self.latency = 0

    def process(self, recorded: np.ndarray, output: OutputBuffers) -> np.ndarray:
        """The next (n,) samples in, the next (n,) out. Called from the sound card's thread."""
        start = self.position
        stop = min(start + len(recorded), len(self.context))
        repeats = self.loop and start >= self.loop
        source = self.context[start - self.loop :] if repeats else recorded
        self.context[start:stop] = source[: stop - start]
        ahead = [stem[start + self.latency : stop + self.latency] for stem in output.buffers.values()]
        out = np.zeros_like(recorded)
        out[: len(ahead[0])] = np.sum(ahead, axis=0)
        if repeats:
            out[: stop - start] += self.context[start:stop]
        self.position = stop
        return out


def open_sound_card(buffer: InputBuffer, output: OutputBuffers, latency_ms: float | None) -> AbstractContextManager:
    """The default sound card, to be entered: from then on it runs. Raises UserError where there is none."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
        raise UserError("give a recording, or install what opens the sound card: pip install sounddevice "
                        "(on Linux also apt-get install libportaudio2)") from error  # fmt: skip

    def callback(indata, outdata, frames, time, status) -> None:
        if status:
            log.warning("sound card: %s; the timeline goes on without what was lost", status)
        outdata[:, 0] = buffer.process(indata[:, 0], output)

    try:
        stream = sounddevice.Stream(SAMPLE_RATE, channels=1, dtype="float32", latency="low", callback=callback)
    except sounddevice.PortAudioError as error:
        raise UserError(f"the sound card cannot be opened at {SAMPLE_RATE} Hz, mono in and out: {error}") from error
    buffer.latency = to_samples(sum(stream.latency) if latency_ms is None else latency_ms / 1e3)
    return stream
