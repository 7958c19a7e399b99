"""python evaluate.py                       score the shipped model in three regimes on three test tracks
python evaluate.py experiment=latency    time one cycle beside one of the paper's shapes
python evaluate.py experiment=codec      what the codec alone costs the sound and the clock (out/codec/table.md)

Rolls the Streamer that plays live over recordings, judges what it played and writes out/evaluate/<name>/scores.csv.
A run that was stopped continues: audio that is already there is not made again.

Common settings:
  model=models/live        the model folder          regime=paper             the nine regimes of the paper's figure
  stems='[bass,drums]'     what it plays             regimes='[{r:0.1,w:1}]'  any regimes
  tracks=3 seconds=30      how much (null: all)      seeds='[0,1,2]'          how often
  name=mine                the output folder         clock=score              let it know the beat of the score
"""

import logging
import sys
from pathlib import Path

import torch
from omegaconf import DictConfig

from accomp import cli
from accomp.errors import UserError
from accomp.evaluation import codec, latency, report, scores, settings

MEASURES = {"scores": scores.run, "latency": latency.run, "codec": codec.run}


def main(config: DictConfig) -> None:
    chosen = settings.read(config)
    if chosen.measure not in MEASURES:
        raise UserError(f"measure={chosen.measure}: choose {' or '.join(MEASURES)}")
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    if chosen.threads is not None:
        torch.set_num_threads(chosen.threads)
    MEASURES[chosen.measure](chosen)
    report.write_provenance(chosen.out_dir, config, Path(__file__).resolve().parent)


if __name__ == "__main__":
    sys.exit(cli.run(main, "evaluate"))
