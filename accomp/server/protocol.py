"""The messages between client and server: every OSC message of the Max external `multi_track`, and a few more.

Each is a frozen dataclass with `pack() -> bytes` (with the type tags that the external sends or requires) and `unpack`, used
by `parse_request` (client to server) and `parse_reply` (server to client). A value out of its range raises `ProtocolError`,
whose `reason` is one of a fixed few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from accomp.server import wire
from accomp.server.audio_messages import MAX_FLOATS, MIN_PACKAGE, Block, Chunk, PacketTest, PacketTestResponse
from accomp.server.leading_messages import AskPlan, Break, Fill, HoldChord, Lead, Plan, Start, StopPlaying
from accomp.server.wire import INT32, Body, ProtocolError, Scalars, Text, Trigger, within, write
from accomp.timeline import STEMS, WINDOW

MIN_RATIO = 1 / 128  # steps of 47 ms


# ------------------------------------------------------------------------------------------------- client -> server


@dataclass(frozen=True)
class UpdatePackageSize(Scalars):
    """How many samples one datagram carries, both ways."""

    address, tags, limits = "/update_package_size", "i", (("package_size", MIN_PACKAGE, MAX_FLOATS),)
    samples: int


@dataclass(frozen=True)
class UpdateR(Scalars):
    """The step ratio r: how much of the window is predicted at a time."""

    address, tags, limits = "/update_r", "d", (("r", MIN_RATIO, 1),)
    ratio: float


@dataclass(frozen=True)
class W(Scalars):
    """The depth w: how many steps ahead the answer starts."""

    address, tags, limits = "/w", "d", (("w", -1, 8),)
    depth: float


@dataclass(frozen=True)
class UpdateFade(Scalars):
    """The overlap of neighbouring answers in seconds, over which the client crossfades."""

    address, tags, limits = "/update_fade", "d", (("fade", 0, 1),)
    seconds: float


@dataclass(frozen=True)
class PredictInstruments(Scalars):
    """Which instruments the model is to play."""

    address, tags = "/predict_instruments", "i" * len(STEMS)
    bass: int = 0
    drums: int = 0
    guitar: int = 0
    piano: int = 0

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(stem for stem in STEMS if getattr(self, stem))


@dataclass(frozen=True)
class PredictStems(Scalars):
    """What the model is to play by name, with commas between: for models that can play others than the external's four."""

    address, tags = "/predict_stems", "s"
    names: str

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(filter(None, self.names.split(","))))


@dataclass(frozen=True)
class Verbose(Scalars):
    """How talkative the log is: 0 or 1."""

    address, tags = "/verbose", "i"
    level: int


@dataclass(frozen=True)
class LoadModel(Trigger):
    """Asks the server to be ready with its model."""

    address, packed = "/load_model", write("/load_model", "")


@dataclass(frozen=True)
class Reset(Trigger):
    """Asks the server to forget everything that was received and played."""

    address, packed = "/reset", write("/reset", "i", (1,))


@dataclass(frozen=True)
class Print(Trigger):
    """Asks for the status as a line in the server's log."""

    address, packed = "/print", write("/print", "T", (True,))


@dataclass(frozen=True)
class Predict(Trigger):
    """Answer now with what has come in so far (the external never sends it)."""

    address, packed = "/predict", write("/predict", "")


@dataclass(frozen=True)
class Hello(Scalars):
    """The client: sample rate of its buffers in Hz, its window T in samples, its name. From here on: not of the external."""

    address, tags = "/hello", "iis"
    limits = (("sample rate", 8_000, 384_000), ("T", MIN_PACKAGE / MIN_RATIO, WINDOW))
    sample_rate: int
    window: int
    client: str


@dataclass(frozen=True)
class Clock(Scalars):
    """The position of the player's transport: beats into the bar, beats per minute, beats in a bar.

    It is there at the live edge of batch `batch_id` or, when that is 0, at the moment the message arrives.
    """

    address, tags = "/clock", "ddii"
    limits = (("beat", 0, 64), ("tempo", 20, 400), ("beats in a bar", 1, 64), ("batch_id", 0, INT32 - 1))
    beat: float
    bpm: float
    beats_in_bar: int = 4
    batch_id: int = 0


@dataclass(frozen=True)
class Tempo(Scalars):
    """The player's tempo in beats per minute from now on, a bar beginning now if no beat is known; 0: back to the tracker."""

    address, tags = "/tempo", "d"
    bpm: float

    def __post_init__(self):
        if self.bpm:
            within("tempo", self.bpm, 20, 400)


@dataclass(frozen=True)
class UseModel(Scalars):
    """Change to another model, by the name of its folder beside the one that plays."""

    address, tags = "/model", "s"
    name: str


@dataclass(frozen=True)
class Density(Scalars):
    """The share of the model's output that is played: 1 all of it, 0.5 the louder half, 0 nothing."""

    address, tags, limits = "/density", "d", (("density", 0, 1),)
    share: float


@dataclass(frozen=True)
class Rest(Scalars):
    """For how many bars the model plays on when the player has stopped; 0: for ever."""

    address, tags, limits = "/rest", "d", (("bars", 0, 64),)
    bars: float


@dataclass(frozen=True)
class Balance(Scalars):
    """How much louder the model plays than it would beside this player, in dB."""

    address, tags, limits = "/balance", "d", (("balance", -40, 20),)
    db: float


@dataclass(frozen=True)
class Tap(Trigger):
    """The player taps the beat: four of these give tempo and place, as a count of four before the first bar."""

    address, packed = "/tap", write("/tap", "")


@dataclass(frozen=True)
class Panic(Trigger):
    """Silence: what was answered but not yet played is overwritten, and everything is forgotten."""

    address, packed = "/panic", write("/panic", "")


@dataclass(frozen=True)
class Calibrate(Trigger):
    """Measure the round-trip latency of the client's audio by a sweep, and compensate for it."""

    address, packed = "/calibrate", write("/calibrate", "")


@dataclass(frozen=True)
class AskStatus(Trigger):
    """Asks for `/status`."""

    address, packed = "/status", write("/status", "")


# ------------------------------------------------------------------------------------------------- server -> client


@dataclass(frozen=True)
class Ready(Trigger):
    """The server listens, its model is loaded and warm."""

    address, packed = "/ready", write("/ready", "T", (True,))


@dataclass(frozen=True)
class ServerPredicted(Trigger):
    """Every chunk of the answer has been sent."""

    address, packed = "/server_predicted", write("/server_predicted", "T", (True,))


@dataclass(frozen=True)
class BatchDropped(Scalars):
    """This batch will not be answered."""

    address, tags = "/batch_dropped", "i"
    batch_id: int


@dataclass(frozen=True)
class Status(Text):
    """The status as JSON text. An extension: the external ignores addresses it does not know."""

    address = "/status"


Setting = UpdatePackageSize | UpdateR | W | UpdateFade | PredictInstruments | PredictStems | Density | Rest | Balance | Hello
Request = Setting | Verbose | LoadModel | Reset | Print | Predict | PacketTest | Block
Leading = Start | StopPlaying | Fill | Break | HoldChord | Lead | Tap
Request = Request | Clock | Tempo | UseModel | Panic | Calibrate | AskStatus | AskPlan | Leading
Reply = Ready | ServerPredicted | BatchDropped | Chunk | PacketTestResponse | Status | Plan

_REQUESTS = {kind.address.encode(): kind for kind in Request.__args__ if kind is not Block}
_REQUESTS |= {b"/" + plane.encode(): Block for plane in ("context", *STEMS)}
_REPLIES = {kind.address.encode(): kind for kind in Reply.__args__ if kind is not Chunk}
_REPLIES |= {b"/" + stem.encode(): Chunk for stem in STEMS}


def _parse(data: bytes, kinds: dict) -> Request | Reply:
    address = data[: data.find(b"\0")]
    kind = kinds.get(address)
    try:
        if (kind is Block or kind is Chunk) and (audio := wire.read_audio(address, data)) is not None:
            return kind(address[1:].decode(), *audio)
        body = Body.open(data)
        if kind is not None:
            return kind.unpack(body)
    except ProtocolError as error:
        if kind is None:
            raise
        raise ProtocolError(error.reason, f"{address.decode()}: {error.detail}") from None
    meant = b"/" + address.rpartition(b"/")[2].lower()
    advice = f"; did you mean {meant.decode()}?" if meant in kinds else ""
    raise ProtocolError("unknown address", repr(address[:32].decode("latin-1")) + advice)


def parse_request(data: bytes) -> Request:
    """A message from client to server, or `ProtocolError` (`wire.messages` opens bundles)."""
    return _parse(data, _REQUESTS)


def parse_reply(data: bytes, stems: Sequence[str] = ()) -> Reply:
    """A message from server to client, or `ProtocolError`. A bundle of one message is opened: some servers send it.

    `stems` are classes of instruments beside the four of which audio may come.
    """
    message, *more = wire.messages(data) or [data]
    if more:
        raise ProtocolError("bundle", "one message belongs in it")
    return _parse(message, _REPLIES | {b"/" + stem.encode(): Chunk for stem in stems})
