"""What `ServerState` may ask of the world: everything it wants done is one of these."""

from dataclasses import dataclass

from accomp.server.worker import StepRequest, StepResult
from accomp.timeline import Step


@dataclass(frozen=True)
class Send:
    """Short messages to the client, at once."""

    datagrams: tuple[bytes, ...]


@dataclass(frozen=True)
class Work:
    """A request for the worker."""

    request: StepRequest


@dataclass(frozen=True)
class Deliver:
    """An answer for the client, paced; `ServerState.on_sent` wants to know when it is out."""

    request: StepRequest
    result: StepResult
    ready_s: float
    hold_until_s: float  # until then only headers
    lossy: bool  # datagrams have lately been lost


@dataclass(frozen=True)
class Silence:
    """The answer to this request is to be overwritten with silence."""

    request: StepRequest


@dataclass(frozen=True)
class Load:
    """Another model is wanted, warm for this step; `ServerState.on_loaded` or `on_load_failed` wants to know."""

    name: str
    step: Step


@dataclass(frozen=True)
class Swap:
    """The new model is warm: the next request is for it."""

    name: str


@dataclass(frozen=True)
class Stop:
    """There is no point in going on."""

    reason: str


Action = Send | Work | Deliver | Silence | Load | Swap | Stop
