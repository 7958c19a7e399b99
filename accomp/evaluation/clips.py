"""Sounds for a web page: compressed, with an outline of their waveform."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from accomp.disk import write_whole
from accomp.server.page import outline
from accomp.timeline import SAMPLE_RATE

WIDTH, HEIGHT = 240, 48  # of a waveform
Store = Callable[[str, bytes], str]  # a name and the bytes of an MP3 file -> its address for the page


def clip(name: str, what: str, audio: np.ndarray, compression: float, store: Store, peak: float) -> dict[str, str | float]:
    """Audio (N,), louder than full scale or not, as the page's template needs it; `peak` fills the height of its outline."""
    audio = audio / max(1.0, float(np.abs(audio).max(initial=0)))
    sound = io.BytesIO()
    soundfile.write(sound, audio, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=compression)
    source = store(name, sound.getvalue())
    shape = {"outline": outline(audio, peak, WIDTH, HEIGHT), "width": WIDTH, "height": HEIGHT}
    return shape | {"seconds": len(audio) / SAMPLE_RATE, "what": what, "source": source}


def inside(name: str, sound: bytes) -> str:
    """The sound as a part of the page itself."""
    return f"data:audio/mpeg;base64,{base64.b64encode(sound).decode()}"


def beside(folder: Path) -> Store:
    """Sounds as files in `sounds/` of the page's folder, in place of those of an earlier page."""
    for old in folder.glob("sounds/*.mp3"):
        old.unlink()

    def store(name: str, sound: bytes) -> str:
        path = folder / "sounds" / f"{name}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, sound)
        return f"sounds/{name}.mp3"

    return store
