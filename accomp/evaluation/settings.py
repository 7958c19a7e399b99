"""What an evaluation is asked to do, checked before anything is loaded."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from accomp.errors import UserError
from accomp.timeline import STEMS, Step

CLOCKS = ("model", "none", "score")


@dataclass(frozen=True)
class Regime:
    """One way of playing together: how far each step advances and how far ahead it answers."""

    r: float = 0.25
    w: float = 1.0

    @property
    def step(self) -> Step:
        return Step(self.r, self.w)

    @property
    def name(self) -> str:
        return f"r{self.r:g}_w{self.w:g}"


@dataclass
class Data:
    root: str = "data/band"
    split: str = "test"
    splits: str = "redux"


@dataclass
class Latency:
    """How many cycles to time, and of what shape the paper's codec and network are."""

    r: float = 0.25
    w: float = 1.0
    steps: int = 60
    paper_cycles: int = 3
    seed: int = 0


@dataclass
class Settings:
    """conf/evaluate.yaml, typed."""

    name: str
    out_dir: Path
    measure: str = "scores"
    model: str = "models/live"
    sampler: str | None = None
    clock: str = "model"
    device: str = "cpu"
    threads: int | None = None
    data: Data = field(default_factory=Data)
    regimes: list[Regime] = field(default_factory=list)
    stems: list[str] = field(default_factory=lambda: ["bass", "drums"])
    tracks: int | None = 3
    seconds: float | None = 30.0
    seeds: list[int] = field(default_factory=lambda: [0])
    overlap: int = 882
    metrics: list[str] = field(default_factory=list)
    latency: Latency = field(default_factory=Latency)
    sets: dict[str, str] | None = None  # of measure=codec: label and root of several data sets
    music2latent: str | None = None  # of measure=codec: the rival's weight file


def read(config: DictConfig) -> Settings:
    """A composed configuration as typed settings. Raises UserError, or OmegaConf's own error on a wrong type."""
    known = {entry.name for entry in fields(Settings)}
    chosen: dict[str, Any] = {key: config[key] for key in config if key in known}
    settings: Settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Settings), chosen))
    strange = sorted(set(settings.stems) - set(STEMS))
    if strange or not settings.stems:
        raise UserError(f"stems={strange or '[]'}: choose among {', '.join(STEMS)}")
    if settings.clock not in CLOCKS:
        raise UserError(
            f"clock={settings.clock}: choose model (its own tracker), none, or score (the beats of the MIDI file)"
        )
    for label, value in {"tracks": settings.tracks, "seconds": settings.seconds, "threads": settings.threads}.items():
        if value is not None and value <= 0:
            raise UserError(f"{label}={value}: must be positive, or null for all there is")
    if settings.overlap < 0:
        raise UserError(f"overlap={settings.overlap}: must not be negative, it counts samples")
    for regime in (*settings.regimes, settings.latency):
        try:
            Step(regime.r, regime.w)
        except ValueError as error:
            raise UserError(f"regime r={regime.r:g} w={regime.w:g}: {error}") from error
    return settings
