"""The rows of the table: which model plays, how, and in which regime; and the baselines beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accomp.codec.fingerprint import fingerprint
from accomp.errors import UserError
from accomp.evaluation.recall import LIVE, NEED_SCORE
from accomp.evaluation.settings import Regime, Settings
from accomp.evaluation.songs import Song
from accomp.model import Model, load_model

CODEC_ROW = "codec"
BASELINES = ("truth", CODEC_ROW, "random_pairing", "silence")  # need no regime
SUBJECT = ("model", "sampler", "clock", "protocol", "regime", "r", "w", "visibility_s")


@dataclass(frozen=True)
class Row:
    """A row of the table: a model with its sampler, clock and protocol, or a baseline, which has none of these."""

    model: str
    sampler: str = ""
    clock: str = ""
    protocol: str = ""
    regime: Regime | None = None

    @property
    def folder(self) -> Path:
        way = ".".join(filter(None, (self.sampler, self.clock, self.protocol)))
        return Path(self.model, way, self.regime.name if self.regime else "")

    @property
    def plays(self) -> bool:
        """Whether a model plays here, so that the seed matters."""
        return bool(self.sampler)

    @property
    def copies(self) -> bool:
        """Whether the answer should resemble the recording itself: the codec's does, and a model's that heard all of it."""
        return self.model.startswith(CODEC_ROW) or (self.plays and self.regime.w == -1)

    def has_answer(self, song: Song) -> bool:
        """Whether anything can be played: what repeats bars, or is told the beats of the score, needs a score."""
        if self.clock == "chart" and song.chords is None:
            return False
        return song.grid is not None or not (self.model in NEED_SCORE or self.clock == "score")

    @property
    def subject(self) -> dict[str, str | float]:
        """The row as cells of the table, keys as in SUBJECT."""
        cells = {"model": self.model, "sampler": self.sampler, "clock": self.clock, "protocol": self.protocol}
        if self.regime is None:
            return cells | dict.fromkeys(("regime", "r", "w", "visibility_s"), "")
        regime = self.regime
        place = {"regime": regime.name, "r": regime.r, "w": regime.w}
        return cells | place | {"visibility_s": round(regime.step.visibility_s, 4)}


def rows(settings: Settings, models: dict[str, Model]) -> list[Row]:
    """Every row: each model with each of its samplers, clocks, protocols and regimes, then the baselines.

    The paper's own protocol has no clock. A codec that several models share is scored once.
    """
    played = [
        Row(name, sampler, "" if protocol == "paper" else clock, protocol, regime)
        for name, model in models.items()
        for sampler in samplers(model, settings)
        for protocol in settings.protocols
        for clock in (settings.clocks[:1] if protocol == "paper" else settings.clocks)
        for regime in settings.regimes
    ]
    ahead = [regime for regime in settings.regimes if regime.w > 0]
    ahead = ahead or [regime for regime in settings.regimes if regime.w == 0]
    codecs = {fingerprint(model.codec): name for name, model in reversed(models.items())}
    others = [name for name in models if name in codecs.values()][1:]
    baselines = [Row(name) for name in BASELINES] + [Row(f"{CODEC_ROW}_{name}") for name in others]
    return played + baselines + [Row(name, regime=regime) for name in LIVE for regime in ahead]


def samplers(model: Model, settings: Settings) -> list[str]:
    """The samplers asked for: `all` means all that the model has, null its default. Raises UserError on an unknown name."""
    if settings.samplers == ["all"]:
        return list(model.config["samplers"])
    names = [name or model.config["sampler"] for name in settings.samplers]
    for name in names:
        model.sampler(name)
    return list(dict.fromkeys(names))


def load_models(settings: Settings) -> dict[str, Model]:
    """The models by name. Raises UserError on a missing or damaged one, and when two have the same name."""
    loaded = [load_model(folder, settings.device) for folder in settings.models]
    models = {model.name: model for model in loaded}
    if len(models) < len(loaded):
        raise UserError(f"model={settings.models}: two of these folders have the same name; rename one")
    taken = sorted(set(models) & {*BASELINES, *LIVE})
    if taken:
        raise UserError(f"{taken[0]}: a model cannot have the name of a baseline; rename its folder")
    return models


def seeds_of(row: Row, settings: Settings) -> Sequence[int]:
    """What no model plays is the same for every seed: once is enough."""
    return settings.seeds if row.plays else settings.seeds[:1]
