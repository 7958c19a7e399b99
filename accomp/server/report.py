"""The server's log and status: one record a step, percentiles of the last ones, and counts of all faults."""

import json
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from accomp.timeline import SAMPLE_RATE

if TYPE_CHECKING:
    from accomp.server.worker import Settings, StepRequest, StepResult

log = logging.getLogger(__name__)

KEPT = 512  # steps that percentiles are taken of
PHASES = ("encode", "sample", "decode")
QUIET_S = 1.0  # each kind of fault is mentioned once in this time


@dataclass(frozen=True)
class Record:
    """How one step went. Times in ms; `missing` in samples; `lead_ms` below 0 is late; `lock` is the confidence in `bpm`."""

    batch_id: int
    encode_ms: float
    sample_ms: float
    decode_ms: float
    cycle_ms: float  # from the last datagram of the context to the answer, packed
    lead_ms: float
    missing: int
    stems: tuple[str, ...]
    r: float
    w: float
    bpm: float
    lock: float

    @classmethod
    def of(cls, request: "StepRequest", result: "StepResult", ready_s: float, sent_s: float) -> "Record":
        timings = {f"{name}_ms": round(result.timings_ms.get(f"{name}_ms", 0.0), 2) for name in PHASES}
        cycle_ms, lead_ms = round(1e3 * (ready_s - request.closed_s), 2), round(1e3 * (request.deadline_s - sent_s), 2)
        step, (bpm, lock) = request.settings.step, result.beat_estimate
        return cls(request.batch_id, **timings, cycle_ms=cycle_ms, lead_ms=lead_ms, missing=request.missing, r=step.ratio,
                   stems=request.settings.stems, w=step.depth, bpm=round(bpm, 1), lock=round(lock, 2))  # fmt: skip

    def line(self) -> str:
        return " ".join(f"{k}={'+'.join(v) if k == 'stems' else v}" for k, v in asdict(self).items())


def in_words(plan: dict) -> str:
    """What the model intends (see `accomp.stream.outlook`) as a line of text, for patches that only display it."""
    bar = f"{plan['beats_in_bar']} beats a bar" if plan["beats_in_bar"] else "no bar"
    words = [f"{plan['bpm']:g} bpm | {bar}" if plan["bpm"] else "no beat"]
    words += [f"heard {plan['heard']}"] if plan["heard"] else []
    names = [f"{name} in {at / SAMPLE_RATE:.1f} s" for at, name, _ in plan["chords"]]
    words.append(" | ".join(names) if names else "no plan" if plan["plan"] == "none" else "no chords")
    return " | ".join([*words, f"settled for {plan['until'] / SAMPLE_RATE:.1f} s"])


def described(settings: "Settings") -> dict:
    """The settings as `/status` names them."""
    s = settings
    asked = {"r": s.step.ratio, "w": s.step.depth, "T": s.step.window, "stems": s.stems, "package_size": s.package}
    asked |= {name: getattr(s, name) for name in ("fade_s", "density", "rest_after", "balance_db")}
    return asked | {"latency_ms": round(1e3 * s.latency / SAMPLE_RATE, 2)}


class Tally:
    """Counts steps and faults; a fault is mentioned in the log at most once a second per kind."""

    def __init__(self):
        self.steps = self.late = self.dropped = self.missing = 0
        self.counts: Counter = Counter()
        self._records: deque[Record] = deque(maxlen=KEPT)
        self._not_before: dict[str, float] = {}

    def recently(self, kind: str, t: float, gap_s: float) -> bool:
        """Whether this happened less than `gap_s` ago; if not, it happens now."""
        if t < self._not_before.get(kind, t):
            return True
        self._not_before[kind] = t + gap_s
        return False

    def note(self, kind: str, detail: str, t: float) -> bool:
        """Count a fault; whether it was mentioned."""
        self.counts[kind] += 1
        if self.recently(kind, t, QUIET_S):
            return False
        log.warning("%s: %s (%d so far)", kind, detail, self.counts[kind])
        return True

    def add(self, record: Record) -> str:
        """Count a step; the JSON of its record."""
        self.steps += 1
        self.late += record.lead_ms < 0
        self.missing += record.missing
        self._records.append(record)
        log.info("step %s", record.line())
        return json.dumps(asdict(record) | self.totals)

    @property
    def totals(self) -> dict[str, int]:
        return {"steps": self.steps, "late": self.late, "dropped": self.dropped}

    def summary(self) -> dict:
        """Counts, percentiles of the last steps, and the estimated beat of the newest."""
        if not self._records:
            return self.totals | {"missing": 0, "faults": dict(self.counts)}

        def percentiles(of: Callable[[Record], float], **which: int) -> dict[str, float]:
            values = [of(record) for record in self._records]
            return {name: round(float(np.percentile(values, q)), 2) for name, q in which.items()}

        return self.totals | {
            "cycle_ms": percentiles(lambda r: r.cycle_ms, p50=50, p95=95, p99=99),
            "lead_ms": percentiles(lambda r: r.lead_ms, min=0, p1=1, p50=50),
            "missing": self.missing,
            "bpm": self._records[-1].bpm,
            "lock": self._records[-1].lock,
            "faults": dict(self.counts),
        }
