"""The picture is drawn where it is asked for, and shows the answer only up to what is generated."""

import numpy as np
import pytest
from PIL import Image

from accomp.compose import compose
from accomp.evaluation import overview
from accomp.evaluation.settings import Data, read
from accomp.evaluation.songs import Choice, load_songs
from accomp.timeline import SAMPLE_RATE, Step


def test_the_picture_goes_where_it_is_asked_for(model_folder, small_band, tmp_path):
    where = [
        f"model={model_folder}",
        f"data.root={small_band}",
        "data.split=train",
        f"out_dir={tmp_path}",
        f"page.folder={tmp_path}/docs",
    ]
    path = overview.run(read(compose("evaluate", ["experiment=overview", "seconds=8", "stems=[bass]", *where])))
    assert path == tmp_path / "docs" / "overview.png"
    picture = np.asarray(Image.open(path).convert("RGB"), float)
    assert picture.shape == (540, 1100, 3) and picture.std() > 20


@pytest.mark.parametrize(("w", "texts"), [(1, {"generated before", "generated now"}), (0, {"generated now"})])
def test_what_is_marked_is_where_it_belongs(small_band, w, texts):
    (song,) = load_songs(Data(str(small_band), split="train"), ["bass"], Choice(1), 8)
    step = Step(0.125, w)
    figure = overview.draw(song, "bass", np.zeros(song.samples, np.float32), step, "model")
    above, below = figure.axes
    assert texts <= {text.get_text() for text in below.texts} and texts.isdisjoint(text.get_text() for text in above.texts)
    edge_s = above.lines[0].get_xdata()[0]
    ((left, _), (right, _)) = (
        text.get_position() for text in (*below.texts, *above.texts) if text.get_text() in ("generated now", "not played yet")
    )
    assert edge_s * SAMPLE_RATE % step.samples == pytest.approx(0, abs=1)
    assert left == pytest.approx(edge_s + (w + 0.5) * step.seconds, abs=1e-3)
    assert right > edge_s
