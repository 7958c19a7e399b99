"""What `Core` may ask of the world: everything it wants done is one of these."""

from dataclasses import dataclass

from accomp.server.performer import Job, Played
from accomp.timeline import Step


@dataclass(frozen=True)
class Send:
    """Short messages to the client, at once."""

    datagrams: tuple[bytes, ...]


@dataclass(frozen=True)
class Work:
    """A job for the performer."""

    job: Job


@dataclass(frozen=True)
class Deliver:
    """An answer for the client, paced; `Core.on_sent` wants to know when it is out."""

    job: Job
    played: Played
    ready_s: float
    hold_until_s: float  # until then only headers
    lossy: bool  # datagrams have lately been lost


@dataclass(frozen=True)
class Silence:
    """The answer to this job is to be overwritten with silence."""

    job: Job


@dataclass(frozen=True)
class Load:
    """Another model is wanted, warm for this step; `Core.on_loaded` or `on_load_failed` wants to know."""

    name: str
    step: Step


@dataclass(frozen=True)
class Swap:
    """The new model is warm: the next job is for it."""

    name: str


@dataclass(frozen=True)
class Stop:
    """There is no point in going on."""

    reason: str


Action = Send | Work | Deliver | Silence | Load | Swap | Stop
