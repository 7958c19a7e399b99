"""The one module that trains denoisers: its losses, its random numbers, what is copied and saved with it, and a network of
one's own."""

from types import SimpleNamespace

import lightning as L
import pytest
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import EMAWeightAveraging
from omegaconf import OmegaConf
from processes import said, state, train
from tiny_model import NET, shaken

from accomp.compose import CONF, compose
from accomp.diffusion.precond import ConsistencyDenoiser, Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.errors import UserError
from accomp.lit.conditioner import Conditioner
from accomp.lit.denoising import DenoisingModule
from accomp.lit.objective import Objective
from accomp.lit.score_matching import ScoreMatching
from accomp.lit.seeds import step_generator
from accomp.window import PlayingDraw

B, C, T = 6, NET["channels"], 32
DRAW = PlayingDraw(longest_step=8, longest_hidden=8)


def module(objective=None, **values):
    torch.manual_seed(0)
    return DenoisingModule(Transformer(**NET), Conditioner(DRAW), objective or ScoreMatching(), 1e-3, **values)


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    latents = {name: torch.randn(B, C, T, generator=g) for name in ("context", "target")}
    return latents | {"stem": torch.arange(B) % 4, "clock": torch.randn(B, 10, T, generator=g)}


def test_no_two_batches_of_a_run_share_their_generator():
    def draws(step, rank, index, world=2, accumulate=3):
        trainer = SimpleNamespace(accumulate_grad_batches=accumulate, world_size=world)
        place = SimpleNamespace(trainer=trainer, global_step=step, global_rank=rank)
        return float(torch.rand((), generator=step_generator(place, index)))

    seen = [draws(step, rank, 3 * step + i) for step in range(4) for rank in range(2) for i in range(3)]
    assert len(set(seen)) == len(seen)


class Resting(L.Callback):
    """Keeps what the average has copied and what a checkpoint would hold."""

    def on_train_end(self, trainer, module):
        average = next(c for c in trainer.callbacks if isinstance(c, EMAWeightAveraging))._average_model
        self.average = average.module
        self.saved = trainer._checkpoint_connector.dump_checkpoint()


class Imitation(Objective):
    """The teacher's answer to noise; it needs no further network."""

    def __call__(self, nets, conditioner, batch, generator):
        condition = conditioner(batch, generator, nets.denoiser)
        noise = torch.randn(batch["target"].shape, generator=generator)
        answers = [net(noise, torch.ones(B), condition) for net in (nets.denoiser, nets.teacher)]
        return {"loss": (answers[0] - answers[1]).square().mean()}


def distilling(**values):
    teacher = shaken(Denoiser(Transformer(**NET)), seed=1)
    return module(Imitation(), form=ConsistencyDenoiser, teacher=teacher, **values)


def fit(student, steps=2):
    resting = Resting()
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = L.Trainer(accelerator="cpu", max_steps=steps, callbacks=[EMAWeightAveraging(decay=0.5), resting], **quiet)
    trainer.fit(student, torch.utils.data.DataLoader([batch(i) for i in range(steps)], batch_size=None))
    return resting


def test_a_frozen_teacher_is_neither_averaged_nor_copied_nor_saved_nor_moved():
    student = distilling(steps=2)
    before = {name: value.clone() for name, value in student.teacher.network.state_dict().items()}
    resting = fit(student)
    assert resting.average.teacher is student.teacher
    owned = sum(p.numel() for p in student.denoiser.parameters())
    assert sum(p.numel() for p in resting.average.parameters()) == owned
    for part in ("state_dict", "current_model_state"):
        assert all(name.startswith("denoiser.") for name in resting.saved[part])
    for name, value in student.teacher.network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not student.teacher.network.training and student.denoiser.training


def test_a_run_does_not_go_on_with_another_teacher():
    student = distilling()
    saved: dict = {}
    student.on_save_checkpoint(saved)
    distilling().on_load_checkpoint(saved)
    shaken(student.teacher.network, seed=2)
    other = distilling(start=None)
    shaken(other.teacher.network, seed=3)
    with pytest.raises(UserError, match=r"module\.teacher holds other weights"):
        other.on_load_checkpoint(saved)


TOY = '''
import torch

class Toy(torch.nn.Module):
    """Says the context, scaled."""

    def __init__(self, channels):
        super().__init__()
        self.mix = torch.nn.Conv1d(2 * channels, channels, 1)

    def forward(self, x, c_noise, condition):
        return self.mix(torch.cat([x, condition.context * condition.masks.visible.unsqueeze(1)], 1))
'''


def test_a_network_of_ones_own_is_one_file_and_one_yaml(tiny_training, tmp_path, monkeypatch):
    """It trains with the live model's recipe, without looking at the plan, and a student learns from it; neither asks for a
    change anywhere else."""
    (tmp_path / "code").mkdir()
    (tmp_path / "conf" / "net").mkdir(parents=True)
    (tmp_path / "code" / "toy.py").write_text(TOY)
    (tmp_path / "conf" / "net" / "toy.yaml").write_text("_target_: toy.Toy\nchannels: 8\n")
    monkeypatch.syspath_prepend(tmp_path / "code")
    data = [argument for argument in tiny_training if argument.startswith("data.")]
    own = [f"hydra.searchpath=[file://{tmp_path}/conf]", "net@module.net=toy"]
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    assert train(teacher, "experiment=planned", *data, *own, "steps=2") == [0], said(teacher)
    assert set(state(teacher)["state_dict"]) == {"denoiser.net.mix.weight", "denoiser.net.mix.bias"}
    assert train(student, "experiment=student_matching", *data, f"module.teacher={teacher}", "steps=2") == [0], said(student)
    kept = {name for name in state(student)["state_dict"] if name.startswith("denoiser.")}
    assert kept == {"denoiser.net.mix.weight", "denoiser.net.mix.bias"}


def composed(experiment):
    return compose("train", [f"experiment={experiment}", "out_dir=unused"])


ROWS = sorted((CONF / "experiment/train/ablation").rglob("*.yaml"), key=lambda path: int(path.stem.split("_")[0]))
IDEAS = {
    "2_submix": {"data.recipe"},
    "3_masks": {"module.conditioner"},
    "4_long_past": {"data.frames", "data.batch_size"},
    "5_clock": {"module.conditioner.jitter.absent"},
    "6_change": {"module.objective.change"},
    "7_self_generated_past": {"module.conditioner.self_generated_past"},
    "8_guidance": {"module.conditioner.cond_dropout"},
    "9_wrong_key": {"module.conditioner.wrong_key_prob"},
    "10_cold_start": {"module.conditioner.draw.cold"},
    "11_plan": {"module.net.plan", "data.plan"},
}


def flat(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_every_ablation_row_differs_from_the_one_before_by_its_idea():
    settings = [dict(flat(OmegaConf.to_container(composed(f"ablation/{path.stem}"), resolve=True))) for path in ROWS]
    assert [path.stem for path in ROWS[1:]] == list(IDEAS)
    for i in range(1, len(ROWS)):
        one, two = (
            {k: v for k, v in s.items() if k.startswith(("module.", "data.", "steps"))} for s in settings[i - 1 : i + 1]
        )
        changed = {key for key in one | two if one.get(key) != two.get(key)}
        idea = IDEAS[ROWS[i].stem]
        assert changed and all(any(f"{key}.".startswith(f"{place}.") for place in idea) for key in changed), ROWS[i].stem
        assert all(any(f"{key}.".startswith(f"{place}.") for key in changed) for place in idea), ROWS[i].stem


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_ablation_rows_are_what_the_table_says(path):
    config = composed(f"ablation/{path.stem}")
    assert config.steps == 1500 and config.data.root == "data/large" and config.name == f"ablation_{path.stem}"
    assert config.data.recipe.submix == (0.0 if path.stem == "1_paper" else 0.5)
    assert config.module.objective.noise_mean == 0.2
    instantiate(config.module, _convert_="all")


def test_what_is_evaluated_is_not_trained():
    for experiment in ("codec", "latency"):
        with pytest.raises(Exception, match=experiment):
            composed(experiment)
