"""The OSC messages by which a player leads the model and sees what it intends. All take effect on a beat or a bar line."""

from dataclasses import dataclass

from accomp.server.wire import Scalars, Text, Trigger, within, write


@dataclass(frozen=True)
class Start(Scalars):
    """The model begins after a count-in of so many beats at this tempo; at tempo 0 as soon as the player plays."""

    address, tags, least = "/start", "dii", 0
    limits = (("tempo", 0, 400), ("count-in", 0, 64), ("beats in a bar", 1, 64))
    bpm: float = 0.0
    count: int = 4
    beats_in_bar: int = 4

    def __post_init__(self):
        super().__post_init__()
        if self.bpm:
            within("tempo", self.bpm, 20, 400)


@dataclass(frozen=True)
class StopPlaying(Trigger):
    """The model ends on the next bar line."""

    address, packed = "/stop", write("/stop", "")


@dataclass(frozen=True)
class Fill(Trigger):
    """Up to the next bar line the model plays the liveliest of several answers."""

    address, packed = "/fill", write("/fill", "")


@dataclass(frozen=True)
class Break(Scalars):
    """The model is silent for so many beats, from the next beat on."""

    address, tags, least, limits = "/break", "i", 0, (("beats", 1, 64),)
    beats: int = 4


@dataclass(frozen=True)
class HoldChord(Scalars):
    """The harmony from the next beat on, by name, for so many bars; 0 bars: until it is released by the name -."""

    address, tags, least = "/chord", "si", 1
    name: str
    bars: int = 0

    def __post_init__(self):
        within("bars", self.bars, 0, 256)


@dataclass(frozen=True)
class Lead(Text):
    """A lead sheet, such as "| Am7 | D7 G7 |", followed round and round from the next bar line on; "" ends it."""

    address = "/lead"


@dataclass(frozen=True)
class AskPlan(Scalars):
    """Whether `/plan` is sent at every step: 0 no, 1 as JSON, 2 as a line of text."""

    address, tags, limits = "/plan", "i", (("plan", 0, 2),)
    kind: int


@dataclass(frozen=True)
class Plan(Text):
    """What the model intends, as JSON or as a line of text."""

    address = "/plan"
