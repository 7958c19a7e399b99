"""The client's settings and its buffers for what the model plays, as the Max external has them."""

from dataclasses import dataclass, field

import numpy as np

from accomp.server import protocol as osc
from accomp.timeline import SAMPLE_RATE, STEMS, Step


@dataclass(frozen=True)
class Setup:
    """What the player has set in Max: instruments to be played by the model, step, fade, datagram size, send mode.

    Raises ProtocolError, a ValueError, for a value that is out of range.
    """

    targets: tuple[str, ...] = ("bass",)
    step: Step = field(default_factory=Step)
    fade_s: float = 0.02
    package: int = 4410
    send_mode: int = 0  # 0: the sum of what is played; 1: every stem by itself

    def __post_init__(self):
        self.messages()

    @property
    def fade(self) -> int:
        return int(self.fade_s * SAMPLE_RATE)

    @property
    def asked(self) -> osc.Request:
        """What the model is to play: by flags, or by names where there are others than the four."""
        if set(self.targets) <= set(STEMS):
            return osc.PredictInstruments(*(int(stem in self.targets) for stem in STEMS))
        return osc.PredictStems(",".join(self.targets))

    def messages(self) -> tuple[osc.Request, ...]:
        """Every setting, in the order in which the external sends them."""
        return (
            osc.UpdatePackageSize(self.package),
            osc.UpdateR(self.step.ratio),
            osc.W(self.step.depth),
            osc.UpdateFade(self.fade_s),
            self.asked,
            osc.Verbose(0),
        )


class OutputBuffers:
    """The buffers that the model's playing is written to, one per stem, `samples` long.

    buffers    what the external would have in memory
    heard      what a listener gets: writing behind the playhead changes nothing any more
    answered, late    batch ids of which anything arrived, and of which a part arrived behind the playhead
    """

    def __init__(self, setup: Setup, samples: int):
        self.setup, self.samples = setup, samples
        self.buffers = {stem: np.zeros(samples, np.float32) for stem in setup.targets}
        self.heard = {stem: np.zeros(samples, np.float32) for stem in setup.targets}
        self.answered: set[int] = set()
        self.late: set[int] = set()
        self.ignored = 0
        self.batch_id = 0
        self._starts: dict[int, int] = {}  # where the answers to the current and to the previous batch begin
        self._latched = {stem: {"current": 0, "previous": 0} for stem in setup.targets}

    def predict(self, curr: int, playhead: int) -> int:
        """Ask at sample `curr`: the span to be played is cleared. The number of the new batch."""
        content = curr + self.setup.step.offset
        self.batch_id += 1
        kept = {k: v for k, v in self._starts.items() if k == self.batch_id - 1}
        self._starts = kept | {self.batch_id: content - self.setup.fade}
        for stem in self.setup.targets:
            self._write(stem, content, np.zeros(self.setup.step.samples, np.float32), playhead)
        return self.batch_id

    def receive(self, chunk: osc.Chunk, playhead: int) -> None:
        """Write a chunk, as the external does: chunk 0 alone sets the place, the fade is linear, the rest replaces."""
        if chunk.stem not in self.buffers or chunk.batch_id not in self._starts:
            self.ignored += 1
            return
        which = "current" if chunk.batch_id == self.batch_id else "previous"
        latched = self._latched[chunk.stem]
        if chunk.index == 0:
            latched[which] = self._starts[chunk.batch_id]
        inside = chunk.index * self.setup.package
        start = latched[which] + inside
        new = chunk.samples.copy()
        fading = max(0, min(self.setup.fade - inside, len(new)))
        if fading:
            t = (inside + np.arange(fading, dtype=np.float32)) / self.setup.fade
            places = np.clip(np.arange(start, start + fading), 0, self.samples - 1)
            new[:fading] = self.buffers[chunk.stem][places] * (1 - t) + new[:fading] * t
        self._write(chunk.stem, start, new, playhead)
        if len(new):
            self.answered.add(chunk.batch_id)
            if max(start, 0) < min(playhead, start + len(new), self.samples):
                self.late.add(chunk.batch_id)

    def _write(self, stem: str, start: int, values: np.ndarray, playhead: int) -> None:
        for target, first in ((self.buffers[stem], max(start, 0)), (self.heard[stem], max(start, playhead, 0))):
            stop = min(start + len(values), self.samples)
            if first < stop:
                target[first:stop] = values[first - start : stop - start]
