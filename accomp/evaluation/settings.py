"""What an evaluation is asked to do, checked before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from accomp.errors import UserError
from accomp.evaluation.songs import Data
from accomp.metrics.embeddings import VGGISH_URL
from accomp.timeline import STEMS, Step, check_rate

CLOCKS = ("model", "none", "metronome", "score", "chart")
PROTOCOLS = ("live", "paper")
PARTS = ("play", "time", "score", "report")
FAILURES = ("zero", "drop")
OPEN = ("tracks", "seconds", "threads")  # null means all there is
AXES = {"model": "models", "sampler": "samplers", "clock": "clocks", "protocol": "protocols"}  # one value or several


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
class Latency:
    """How many cycles to time, and of what shape the paper's codec and network are."""

    r: float = 0.25
    w: float = 1.0
    steps: int = 60
    paper_cycles: int = 3
    paper_sampler: str = "cm_2"
    seed: int = 0


@dataclass
class Page:
    """What of the evaluation can be listened to on index.html."""

    track: str | None = None  # the first one when None
    models: int = 3  # at most so many (with sampler and clock), each in one regime per depth
    start: float = 0.0  # of the excerpt, in seconds
    seconds: float = 30.0  # at most
    compression: float = 0.6  # of the sounds, 0 to below 1
    folder: str | None = None  # where the page goes, sounds beside it; None: out_dir, with the sounds inside of the page


@dataclass
class Settings:
    """conf/evaluate.yaml, typed. `model`, `sampler`, `clock` and `protocol` are the first of what may be several."""

    name: str
    out_dir: Path
    measure: str = "scores"
    do: list[str] = field(default_factory=lambda: list(PARTS))
    models: list[str] = field(default_factory=lambda: ["models/live"])
    samplers: list[str | None] = field(default_factory=lambda: [None])
    clocks: list[str] = field(default_factory=lambda: ["model"])
    protocols: list[str] = field(default_factory=lambda: ["live"])
    device: str = "cpu"
    threads: int | None = None
    workers: int = 2
    batch: int = 12
    data: Data = field(default_factory=Data)
    regimes: list[Regime] = field(default_factory=list)
    stems: list[str] = field(default_factory=lambda: list(STEMS))
    tracks: int | None = None
    songs: list[str] | None = None  # only these, by name
    shard: int | None = None  # of `shards` parts of the songs, to be played and scored; None: all
    shards: int = 1
    audio: str | None = None  # where what was played lies; None: in out_dir
    seconds: float | None = 30.0
    listen: float = 0.0
    seeds: list[int] = field(default_factory=lambda: [0])
    overlap: int = 882
    metrics: list[str] = field(default_factory=list)
    tracker: str = "madmom"
    failures: str = "zero"  # what a stem without a beat counts as: `drop` leaves it out, as the paper does
    needs: list[str] = field(default_factory=list)  # settings that must be given, see `check_needs`
    coherence: str = "models/coherence"
    vggish: str | None = None
    clap: str | None = None
    musicnn: str | None = None
    page: Page = field(default_factory=Page)
    wandb: str | None = None
    latency: Latency = field(default_factory=Latency)
    sets: dict[str, str] | None = None  # of measure=codec: label and root of several data sets
    scenes: list[str] | None = None  # of measure=living: only these
    music2latent: str | None = None  # of measure=codec: the reference codec's weight file

    @property
    def model(self) -> str:
        return self.models[0]

    @property
    def sampler(self) -> str | None:
        return None if self.samplers == ["all"] else self.samplers[0]

    @property
    def clock(self) -> str:
        return self.clocks[0]

    @property
    def audio_folder(self) -> Path:
        """Where what was played lies; the shards of one evaluation share it."""
        if self.audio:
            return Path(self.audio)
        return (self.out_dir if self.shard is None else self.out_dir.parent.parent) / "audio"


def read(config: DictConfig) -> Settings:
    """A composed configuration as typed settings. Raises UserError, or OmegaConf's own error on a wrong type."""
    known = {entry.name for entry in fields(Settings)}
    chosen: dict[str, Any] = {key: config[key] for key in config if key in known}
    for key, several in AXES.items():
        if key in config:
            chosen[several] = config[key] if isinstance(config[key], ListConfig) else [config[key]]
    settings: Settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Settings), chosen))
    check_rate(settings.data.sample_rate, "data.sample_rate")
    named = STEMS if settings.measure == "codec" else settings.stems  # a model knows which it plays, and refuses others
    _among("stems", settings.stems, settings.data.stems or named)
    _among("clock", settings.clocks, CLOCKS, " (its own tracker, no beat, the beats of the MIDI file, or its beats and chords)")
    _among("protocol", settings.protocols, PROTOCOLS)
    _among("do", settings.do, PARTS)
    _among("failures", [settings.failures], FAILURES)
    for label in ("model", "sampler", "seeds"):
        values = getattr(settings, AXES.get(label, label))
        if not values or len(set(values)) < len(values):
            raise UserError(f"{label}={values}: name at least one, and none twice")
    for label in ("tracks", "seconds", "threads", "workers", "batch", "shards"):
        value = getattr(settings, label)
        if value is not None and value <= 0:
            raise UserError(f"{label}={value}: must be positive" + ", or null for all there is" * (label in OPEN))
    if settings.shard is not None and not 0 <= settings.shard < settings.shards:
        raise UserError(f"shard={settings.shard}: must be one of 0 to {settings.shards - 1} (shards={settings.shards})")
    if settings.listen < 0:
        raise UserError(f"listen={settings.listen}: must not be negative, it counts seconds before those that are scored")
    if settings.overlap < 0:
        raise UserError(f"overlap={settings.overlap}: must not be negative, it counts samples")
    for regime in (*settings.regimes, settings.latency):
        try:
            Step(regime.r, regime.w)
        except ValueError as error:
            raise UserError(f"regime r={regime.r:g} w={regime.w:g}: {error}") from error
    return settings


def check_needs(settings: Settings) -> None:
    """UserError unless everything is there that the paper's table cannot do without; it says where to get it."""
    missing = []
    if "tracker" in settings.needs and settings.tracker == "madmom":
        missing.append(
            "tracker=final0.ckpt, Beat This (pip install beat-this==1.1.0; "
            "https://cloud.cp.jku.at/public.php/dav/files/7ik4RrBKTS273gp/final0.ckpt)"
        )
    if "vggish" in settings.needs and not settings.vggish:
        missing.append(f"vggish=vggish-10086976.pth ({VGGISH_URL})")
    if missing:
        raise UserError(f"the paper's table needs {' and '.join(missing)}")


def _among(label: str, values: Sequence[str], allowed: Sequence[str], meaning: str = "") -> None:
    unknown = sorted(set(values) - set(allowed))
    if unknown or not values or len(set(values)) < len(values):
        raise UserError(f"{label}={unknown or list(values)}: choose among {', '.join(allowed)}{meaning}, none twice")
