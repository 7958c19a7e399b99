"""What `ServerState` asks its caller to do."""

from dataclasses import dataclass

from accomp.server.worker import StepRequest, StepResult
from accomp.timeline import Step


@dataclass(frozen=True)
class Send:
    """Send short messages to the client at once."""

    datagrams: tuple[bytes, ...]


@dataclass(frozen=True)
class Work:
    """Have the worker compute a request."""

    request: StepRequest


@dataclass(frozen=True)
class Deliver:
    """Send an answer to the client, paced, then call `ServerState.on_sent`."""

    request: StepRequest
    result: StepResult
    ready_s: float
    hold_until_s: float  # until then only headers
    lossy: bool  # datagrams have been lost in the last batches


@dataclass(frozen=True)
class Silence:
    """Overwrite the answer to this request with silence."""

    request: StepRequest


@dataclass(frozen=True)
class Load:
    """Load another model and warm it up for this step, then call `ServerState.on_loaded` or `on_load_failed`."""

    name: str
    step: Step


@dataclass(frozen=True)
class Swap:
    """Use the new model, which is warm, from the next request on."""

    name: str


@dataclass(frozen=True)
class Stop:
    """End the server."""

    reason: str


Action = Send | Work | Deliver | Silence | Load | Swap | Stop
