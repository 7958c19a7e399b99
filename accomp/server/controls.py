"""What the client's messages set: the settings of the next batches, and the beat of its transport."""

from dataclasses import replace

from accomp.beat.transport import Transport
from accomp.server import protocol as osc
from accomp.server.worker import Settings
from accomp.timeline import SAMPLE_RATE


def apply(message: osc.Request, settings: Settings) -> Settings:
    """The settings after a message; the same ones if it sets none."""
    match message:
        case osc.UpdateR(ratio):
            return replace(settings, step=replace(settings.step, ratio=ratio))
        case osc.W(depth):
            return replace(settings, step=replace(settings.step, depth=depth))
        case osc.Hello(window=window):
            return replace(settings, step=replace(settings.step, window=window))
        case osc.UpdateFade(seconds):
            return replace(settings, fade_s=seconds)
        case osc.UpdatePackageSize(samples):
            return replace(settings, package=samples)
        case osc.PredictInstruments():
            return replace(settings, stems=message.stems)
        case osc.Density(share):
            return replace(settings, density=share)
    return settings


class TransportTimeline:
    """The client's transport on the session's timeline.

    The place of a message is known only when the next batch has its place: the live edge of the batch that it names, or
    the playhead when it arrived (the playhead is at a batch's edge when its first datagram arrives).
    """

    def __init__(self):
        self.transport: Transport | None = None
        self._clock: tuple[osc.Clock, float] | None = None
        self._tempo: tuple[osc.Tempo, float] | None = None

    @property
    def is_known(self) -> bool:
        """Whether a tempo alone can be placed."""
        return self.transport is not None or self._clock is not None

    def receive(self, message: osc.Clock | osc.Tempo, t: float) -> None:
        """A message at time t; it replaces older ones of its kind, and a clock also replaces a tempo."""
        if isinstance(message, osc.Tempo):
            self._tempo = (message, t)
            if not message.bpm:
                self._clock = None
        else:
            self._clock, self._tempo = (message, t), None

    def reset(self) -> None:
        """A new timeline begins; messages since the last batch belong to it."""
        self.transport = None

    def at(self, batch_id: int, edge: int, arrived_s: float, step: int) -> Transport | None:
        """The transport for the batch whose live edge is sample `edge`."""
        if self._clock is not None:
            clock, t = self._clock
            now = edge + round((t - arrived_s) * SAMPLE_RATE)
            sample = edge + (clock.batch_id - batch_id) * step if clock.batch_id else now
            self.transport = Transport(sample, clock.beat, clock.bpm, clock.beats_in_bar)
        if self._tempo is not None:
            tempo, t = self._tempo
            if not tempo.bpm or self.transport is None:
                self.transport = None
            else:
                self.transport = self.transport.at(edge + round((t - arrived_s) * SAMPLE_RATE), tempo.bpm)
        self._clock = self._tempo = None
        return self.transport
