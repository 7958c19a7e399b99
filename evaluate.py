"""python evaluate.py                       score the shipped model in three regimes, beside baselines
python evaluate.py experiment=latency    time one cycle beside one of the paper's shapes
python evaluate.py experiment=codec      what the codec alone costs the sound and the clock (out/codec/table.md)
python evaluate.py experiment=living     a player who rests, changes tempo, plays softly or not at all (out/living/table.md)

Rolls the Streamer that plays live over recordings, scores what it played, and leaves in out/evaluate/<name>/ scores.csv (one
row per excerpt and metric), summary.csv, differences.csv, figures/ and index.html, a page to listen to. Other settings get
another folder, named after them. A run that was stopped continues: what has been played or scored is not done again.

More experiments: first_look (five songs, what a larger run could tell), paper_table (the paper's table), regimes (its
figure), students (samplers), lookahead (clocks), leak (the paper's protocol), drift
(a minute of its own playing), demo_page (docs/index.html), overview (the picture of the README).

Common settings:
  model=models/live        the model folder          regime=paper             the nine regimes of the paper's figure
  stems='[bass,drums]'     what it plays             regimes='[{r:0.1,w:1}]'  any regimes
  tracks=3 seconds=30      how much (null: all)      seeds='[0,1,2]'          how often
  name=mine                the output folder         clock=score              tell it the beats of the score
  do='[score,report]'      only score what was played, or only report; `time` is the timing of a single stem
  sampler=all              every sampler of the model
  shards=8                 shared out among 8 processes; with launcher=slurm, among the jobs of an array
model, sampler, clock and protocol take a list as well: model='[models/live,models/mine]'.
"""

import logging
import sys
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from accomp import cli
from accomp.errors import UserError
from accomp.evaluation import codec, latency, overview, scores, settings, shards
from accomp.evaluation.living import run as living
from accomp.evaluation.naming import refuse_other_settings, with_variant
from accomp.launch import only_writer
from accomp.provenance import write_provenance
from accomp.threads import use_threads
from accomp.trials import recorded

MEASURES = {
    "scores": scores.run,
    "latency": latency.run,
    "codec": codec.run,
    "overview": overview.run,
    "living": living.run,
}


def main(config: DictConfig) -> None:
    chosen = settings.read(config)
    if chosen.measure not in MEASURES:
        raise UserError(f"measure={chosen.measure}: choose {' or '.join(MEASURES)}")
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    use_threads(chosen.threads)
    with only_writer(chosen.out_dir):
        refuse_other_settings(chosen.out_dir, OmegaConf.to_container(config, resolve=True))
        with recorded(chosen.out_dir):
            MEASURES[chosen.measure](chosen)
            write_provenance(chosen.out_dir, config, Path(__file__).resolve().parent)


if __name__ == "__main__":
    sys.exit(shards.run(partial(cli.run, main, "evaluate"), with_variant(sys.argv[1:])))
