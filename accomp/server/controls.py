"""What the client's messages set: the settings of the next batches, the beat of its transport, and what is to be led."""

from dataclasses import replace

from accomp.beat.transport import Transport
from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.leading import Placed, check
from accomp.server.taps import LEAST, Taps
from accomp.server.worker import Settings
from accomp.timeline import SAMPLE_RATE

WEB = "web"  # where the page's datagrams come from
ALONE_S = 3.0  # after this long without audio another player may begin


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
        case osc.PredictInstruments() | osc.PredictStems():
            return replace(settings, stems=message.stems)
        case osc.Density(share):
            return replace(settings, density=share)
        case osc.AskPlan(kind):
            return replace(settings, plan=kind)
        case osc.Rest(bars):
            return replace(settings, rest_after=bars)
        case osc.Balance(db):
            return replace(settings, balance_db=db)
    return settings


def begun_anew(settings: Settings, defaults: Settings) -> Settings:
    """The settings for a new client: what the Max external never sets is as it was at the start."""
    names = "density", "rest_after", "balance_db", "latency"
    return replace(settings, **{name: getattr(defaults, name) for name in names})


class TransportTimeline:
    """The client's transport on the session's timeline.

    The place of a message is known only when the next batch has its place: the live edge of the batch that it names, or
    the playhead when it arrived (the playhead is at a batch's edge when its first datagram arrives).
    """

    def __init__(self):
        self.transport: Transport | None = None
        self._clock: tuple[osc.Clock, float] | None = None
        self._tempo: tuple[osc.Tempo, float] | None = None

    def receive(self, message: osc.Clock | osc.Tempo, t: float) -> None:
        """A message at time t; it replaces older ones of its kind, and a clock also replaces a tempo.

        A tempo where no beat is known begins a bar of four when it arrives.
        """
        if isinstance(message, osc.Tempo) and message.bpm and self.transport is None and self._clock is None:
            message = osc.Clock(0.0, message.bpm)
        match message:
            case osc.Tempo(bpm):
                self._tempo = (message, t)
                self._clock = self._clock if bpm else None
            case osc.Clock():
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


class LeadingQueue:
    """What a player who leads has asked for since the last answer was begun."""

    def __init__(self):
        self._messages: list[tuple[osc.Leading, float]] = []
        self._taps = Taps()

    def receive(self, message: osc.Leading, t: float, transports: TransportTimeline) -> str:
        """A message at time t; what to say to it at once. A count-in is also a beat, and so are four taps.

        Raises ProtocolError for a chord that does not exist.
        """
        said = ""
        try:
            check(message)
        except UserError as error:
            raise osc.ProtocolError("leading", str(error)) from error
        if isinstance(message, osc.Start) and message.bpm:
            beats = message.beats_in_bar
            transports.receive(osc.Clock(-message.count % beats, message.bpm, beats), t)
        elif isinstance(message, osc.Tap):
            clock = self._taps.add(t)
            if clock is None:
                return f"tap: {self._taps.count} of {LEAST}"
            transports.receive(clock, t)
            said = f"tap: {clock.bpm:.0f} beats a minute"
        self._messages.append((message, t))
        return said

    def take(self, edge: int, arrived_s: float) -> tuple[Placed, ...]:
        """All of them, each with the sample at the playhead then, which was at `edge` at `arrived_s`; they are handed over."""
        placed = tuple((message, edge + round((t - arrived_s) * SAMPLE_RATE)) for message, t in self._messages)
        self._messages.clear()
        return placed


class Players:
    """Lets one player in at a time: the page in the browser, or a program that sends datagrams."""

    def __init__(self):
        self._latest: tuple[bool, float] | None = None

    @property
    def page_plays(self) -> bool:
        return self._latest is not None and self._latest[0]

    def check(self, ip: str, t: float) -> None:
        """Audio has come from there. Raises ProtocolError while the other one plays."""
        if self._latest is not None and self._latest[0] != (ip == WEB) and t < self._latest[1] + ALONE_S:
            other = "a program that sends OSC" if ip == WEB else "the page in the browser"
            raise osc.ProtocolError("player", f"{other} is playing; stop it there, and play on here")
        self._latest = (ip == WEB, t)
