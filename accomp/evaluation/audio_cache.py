"""Where the audio of an evaluation lies, and beside each file what is known about it. Nothing in it is made twice."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import yaml

from accomp.disk import write_text
from accomp.errors import UserError
from accomp.evaluation.rows import Row
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import Song
from accomp.model import without_parts
from accomp.provenance import code_hash

SOUND = ("accomp.evaluation.rollouts", "accomp.evaluation.baselines")  # with all they import they decide what is played


@dataclass(frozen=True)
class AudioCache:
    """A folder of WAV files, one for each row, song, stem and seed."""

    root: Path

    def answer(self, row: Row, song: Song, stem: str, seed: int) -> Path:
        return self.root / row.folder / song.name / f"{stem}.s{seed}.wav"

    def scores(self, row: Row, song: Song, stem: str, seed: int) -> Path:
        return self.answer(row, song, stem, seed).with_suffix(".json")

    def recording(self, song: Song, stem: str) -> Path:
        return self.root / "recordings" / song.name / stem

    def latency(self, row: Row) -> Path:
        """What steps take when one stem is played alone, as it is live."""
        return self.root / row.folder / "latency.json"

    def check(self, settings: Settings, models: list[str]) -> None:
        """Make sure that what lies here was made with these settings, weights and code. Raises UserError otherwise.

        A model's folder is compared file by file, so with its samplers' settings, which are in its config.yaml.
        """
        data = {key: value for key, value in vars(settings.data).items() if key not in ("on_bad", "length_s")}
        asked = {"data": data, "code": code_hash(*SOUND)}
        asked |= {key: getattr(settings, key) for key in ("seconds", "listen", "overlap")}
        _agree(self.root / "settings.yaml", asked)
        for name, folder in zip(models, settings.models, strict=True):
            path, _ = without_parts(folder)
            files = [path / "config.yaml", *sorted(path.glob("*.safetensors"))]
            hashes = {path.name: sha256(path.read_bytes()).hexdigest()[:16] for path in files}
            _agree(self.root / name / "model.yaml", hashes)


def _agree(record: Path, wanted: dict) -> None:
    if not record.is_file():
        write_text(record, yaml.safe_dump(wanted))
        return
    found = yaml.safe_load(record.read_text())
    different = sorted(key for key in wanted.keys() | found.keys() if found.get(key) != wanted.get(key))
    if different:
        raise UserError(
            f"{record.parent} holds audio made with another {' and '.join(different)}: choose another name=..., or "
            "delete that folder"
        )
