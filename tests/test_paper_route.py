"""The table of docs/paper.md says of every line of the paper's route where it stands in conf/; here it is looked up."""

import re
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from accomp.compose import compose

PAGE = (Path(__file__).parent.parent / "docs" / "paper.md").read_text()
LINES = re.findall(r"\| `(\w+):([\w.]+)=([^`]+)` \|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def composed() -> dict:
    return {name: compose("evaluate" if name == "paper_table" else "train", [f"experiment={name}"]) for name, *_ in LINES}


@pytest.mark.parametrize(("experiment", "key", "value"), LINES)
def test_a_line_of_the_papers_route_is_what_the_configuration_says(composed, experiment, key, value):
    found = OmegaConf.select(composed[experiment], key)
    found = OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
    wanted = None if value == "None" else yaml.safe_load(value)
    assert found == (float(value) if isinstance(found, float) else wanted)


def test_the_table_has_a_line_for_everything_that_is_the_same():
    rows = [line for line in PAGE.partition("## Line by line")[2].splitlines() if line.startswith("| ")]
    assert len(LINES) > 20 and len(rows) > len(LINES)
    for row in rows[1:]:
        here, place = (cell.strip() for cell in row.strip("|").split("|")[2:4])
        assert place or "deliberately" in here or "sampling" in row, row


def test_the_published_regimes_are_those_of_the_published_table():
    from accomp.evaluation.paper_table import read_published

    regimes = {(regime.r, regime.w) for regime in compose("evaluate", ["experiment=paper_table"]).regimes}
    measured = {(row["r"], row["w"]) for row in read_published() if row["source"] == "measured"}
    assert len(regimes) == 13 and regimes == measured
