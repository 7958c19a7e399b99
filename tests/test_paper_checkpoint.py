"""Checkpoints laid out as the published ones become models that play; everything else is refused in one line."""

import functools
import importlib
import logging
import pickle
import re
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from accomp.codec.music2latent import Music2Latent
from accomp.diffusion.precond import Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.diffusion.unet import UNet
from accomp.errors import UserError
from accomp.model import load_model
from accomp.paper_checkpoint import SAMPLERS, configuration, main, sampler_settings
from accomp.stream.quick import load_quick, precision
from accomp.stream.rollout import rollout
from accomp.stream.streamer import Streamer
from accomp.timeline import Step

PARITY = Path(__file__).resolve().parents[2] / "shared" / "parity"
PREFIXES = {
    "ldm": ("model.unet.", "model.diffusion.net."),
    "cd": ("net.model.unet.", "target_model.model.unet.", "teacher_model.model.unet."),
}


@pytest.fixture(scope="module")
def core() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return UNet(width=16, blocks=1).state_dict()


@pytest.fixture(autouse=True)
def no_codec(monkeypatch):
    """As on a machine where the codec's weights were never fetched."""
    monkeypatch.setattr("accomp.paper_checkpoint.package_weights", lambda: None)


def laid_out(core: dict, kind: str) -> dict[str, torch.Tensor]:
    """Weights under the prefixes of a kind; those not to be played are off by 0.01 in a consistency model."""
    state = {}
    for i, prefix in enumerate(PREFIXES[kind]):
        state |= {prefix + name: value + 0.01 * i if kind == "cd" else value for name, value in core.items()}
    return state


def foreign(monkeypatch, module: str, name: str, **values) -> object:
    """An object of a class that can be pickled now and cannot be found later."""
    kind = type(name, (), {"__module__": module})
    for depth in range(1, module.count(".") + 2):
        part = ".".join(module.split(".")[:depth])
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    setattr(sys.modules[module], name, kind)
    thing = kind()
    thing.__dict__.update(values)
    return thing


def write(path: Path, state: dict, **more) -> Path:
    torch.save({"epoch": 3, "global_step": 7, "state_dict": state, "optimizer_states": [{"state": {}}]} | more, path)
    return path


def run(caplog, *arguments) -> tuple[int, str]:
    with caplog.at_level(logging.INFO):
        code = main([str(a) for a in arguments])
    return code, caplog.text


@pytest.mark.parametrize("kind", ["ldm", "cd"])
def test_published_layouts_convert_without_their_classes(core, kind, tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as m:
        gone = foreign(m, "main.unheard_of.data", "TracksDataset", tracks=["a"], lengths=torch.ones(3))
        source = write(tmp_path / "last.ckpt", laid_out(core, kind), datamodule_hyper_parameters={"train": gone})
    code, told = run(caplog, source, tmp_path / "model")
    assert code == 0, told
    assert f"{PREFIXES[kind][0]}* {len(core)}" in told and "main.unheard_of.data.TracksDataset" in told
    assert "main.unheard_of" not in sys.modules
    part = "teacher" if kind == "ldm" else "student"
    weights = load_file(tmp_path / "model" / f"{part}.safetensors")
    assert weights.keys() == {f"net.unet.{name}" for name in core}
    assert all(torch.equal(weights[f"net.unet.{name}"], value) for name, value in core.items())
    with pytest.raises(UserError, match="needs Music2Latent's weights"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("teacher", "told"),
    [
        ("runs/2025-03-01T06-07-38_masked/last.ckpt", "distilled from the masked teacher"),
        ("runs/2025-02-02/epoch=214.ckpt", "trained WITHOUT masks"),
        ("runs/other.ckpt", "unknown teacher"),
        (None, "does not say"),
    ],
)
def test_a_teacher_without_masks_is_reported(core, teacher, told, tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as m:
        cfg = foreign(m, "elsewhere", "Namespace", diffusion={"teacher_model_path": teacher})
        source = write(tmp_path / "last.ckpt", laid_out(core, "cd"), hyper_parameters={"cfg": cfg})
    code, text = run(caplog, source, tmp_path / "model")
    assert code == 0 and told in text and told in (tmp_path / "model" / "README.md").read_text()


class Hostile:
    """Leaves a mark when it is unpickled in the ordinary way."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return exec, (f"open({str(self.mark)!r}, 'w').close()",)


def drop(state, name):
    return {key: value for key, value in state.items() if not key.endswith(name)}


def truncated(path, state):
    whole = write(path, state).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def flipped(path, state):
    data = bytearray(write(path, state).read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def compressed(path, state):
    write(path, state)
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in entries.items():
            new.writestr(name, data)


def other_width(path, state):
    wide = UNet(width=32, blocks=1).state_dict()
    write(path, state | {"model.unet.enc.64x64_conv.weight": wide["enc.64x64_conv.weight"]})


FAULTS = {
    "hostile": (lambda p, s: write(p, s, hyper_parameters=Hostile(p.parent / "mark")), "asks to run builtins.exec"),
    "hostile-weights": (lambda p, s: write(p, s | {"model.unet.x": Hostile(p.parent / "mark")}), "asks to run"),
    "bare-pickle": (lambda p, s: p.write_bytes(pickle.dumps(Hostile(p.parent / "mark"))), "not a whole checkpoint"),
    "truncated": (truncated, "not a whole checkpoint"),
    "flipped": (flipped, "not a whole checkpoint"),
    "compressed": (compressed, "not a whole checkpoint"),
    "empty": (lambda p, s: p.write_bytes(b""), "not a whole checkpoint"),
    "absent": (lambda p, s: None, "no such file"),
    "no-weights": (lambda p, s: torch.save({"epoch": 1}, p), "not a whole checkpoint"),
    "list": (lambda p, s: torch.save([1, 2], p), "not a whole checkpoint"),
    "prefix": (lambda p, s: write(p, {f"module.{k}": v for k, v in s.items()}), "not a checkpoint of the paper's"),
    "stranger": (lambda p, s: write(p, s | {"extra.weight": torch.ones(1)}), "1 tensors have no known purpose"),
    "missing": (lambda p, s: write(p, drop(s, "map_layer0.bias")), "1 missing .map_layer0.bias"),
    "half-missing": (lambda p, s: write(p, {k: v for k, v in s.items() if k != "model.unet.map_layer0.bias"}),
                     "do not hold the same"),
    "shape": (other_width, "1 of another shape .enc.64x64_conv.weight"),
    "architecture": (lambda p, s: write(p, {"model.unet.conv.weight": torch.ones(3)}), "another architecture"),
    "copies": (lambda p, s: write(p, s | {"model.diffusion.net.map_label.bias": torch.ones(16)}), "which of them"),
    "nan": (lambda p, s: write(p, {k: v * torch.nan for k, v in s.items()}), "not finite"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_and_writes_nothing(core, fault, tmp_path, caplog):
    damage, message = FAULTS[fault]
    source = tmp_path / "last.ckpt"
    damage(source, laid_out(core, "ldm"))
    before = sorted(tmp_path.iterdir())
    assert run(caplog, source, tmp_path / "model")[0] == 2
    assert sorted(tmp_path.iterdir()) == before, "neither a model nor the mark of a program that ran"
    (record,) = caplog.records
    line = record.getMessage()
    assert line.startswith(f"error: {source}") and "\n" not in line
    assert re.search(message, line), line


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_download_that_broke_off_anywhere_is_told_as_such(core, share, tmp_path, caplog):
    source = write(tmp_path / "last.ckpt", laid_out(core, "cd"))
    whole = source.read_bytes()
    source.write_bytes(whole[: int(share * len(whole))])
    code, told = run(caplog, source, tmp_path / "model")
    assert code == 2 and "not a whole checkpoint" in told and not (tmp_path / "model").exists()


class Call:
    """Pickled as a call of anything at all."""

    def __init__(self, module: str, name: str, *arguments):
        self.module, self.name, self.arguments = module, name, arguments

    def __reduce__(self):
        return functools.reduce(getattr, self.name.split("."), importlib.import_module(self.module)), self.arguments


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("subprocess", "check_call"), ("builtins", "eval"), ("shutil", "rmtree"), ("pathlib", "Path.touch"),
        ("runpy", "run_path"), ("torch.hub", "load"), ("torch", "save"), ("numpy", "fromfile"), ("pickle", "loads"),
        ("operator", "methodcaller"), ("accomp.paper_checkpoint", "main"),
    ],
)  # fmt: skip
def test_nothing_that_a_file_calls_is_called(module, name, core, tmp_path, monkeypatch, caplog):
    """Known programs are refused; whatever else is named becomes an object that does nothing, or is not understood."""
    called = []

    def trap(*arguments):
        called.append(arguments)

    source = write(tmp_path / "last.ckpt", laid_out(core, "ldm"), callbacks=Call(module, name, str(tmp_path / "mark")))
    home = importlib.import_module(module)
    *path, last = name.split(".")
    monkeypatch.setattr(functools.reduce(getattr, path, home), last, trap)
    code = main([str(source), str(tmp_path / "model")])
    assert not called and not (tmp_path / "mark").exists()
    assert code == 0 or [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_model_of_another_program_is_refused(core, tmp_path, caplog):
    """The live model's own checkpoint, and the paper's network with one level more."""
    live = Denoiser(Transformer(channels=8, width=16, layers=1, heads=2)).state_dict()
    for state in (
        {f"denoiser.{name}": value for name, value in live.items()},
        laid_out(core | {"enc.4x4_down.conv0.weight": torch.ones(1)}, "ldm"),
    ):
        caplog.clear()
        code, told = run(caplog, write(tmp_path / "last.ckpt", state), tmp_path / "model")
        assert code == 2 and ("not a checkpoint of the paper's" in told or "another architecture" in told)
        assert not (tmp_path / "model").exists()


def test_a_folder_is_never_overwritten(core, tmp_path, caplog):
    (tmp_path / "model").mkdir()
    code, told = run(caplog, write(tmp_path / "last.ckpt", laid_out(core, "ldm")), tmp_path / "model")
    assert code == 2 and "exists already" in told and not list((tmp_path / "model").iterdir())


@pytest.fixture(scope="module")
def codec_weights(tmp_path_factory) -> Path:
    """Random weights in the package's own file format."""
    pytest.importorskip("music2latent")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("codec") / "music2latent.pt"
    torch.save({"gen_state_dict": Music2Latent().gen.state_dict()}, path)
    return path


def play(folder: Path) -> np.ndarray:
    context = 0.1 * np.random.default_rng(0).standard_normal(17_000).astype(np.float32)
    return rollout(Streamer(load_quick(folder, "cpu"), ("bass",)), context, Step(1 / 32, 0)).audio


def test_a_converted_model_plays(core, codec_weights, tmp_path, caplog):
    """From a published checkpoint and the codec's own weights to sound; the same sound every time."""
    source = write(tmp_path / "last.ckpt", laid_out(core, "cd"))
    code, told = run(caplog, source, tmp_path / "model", "--codec", codec_weights)
    assert code == 0, told
    audio = play(tmp_path / "model")
    assert audio.shape == (1, 17_000) and np.isfinite(audio).all() and np.abs(audio).max() > 0
    np.testing.assert_array_equal(audio, play(tmp_path / "model"))


@pytest.mark.skipif(not PARITY.is_dir(), reason=f"no published layouts: {PARITY} is absent")
@pytest.mark.parametrize("kind", ["ldm", "cd"])
def test_the_reference_checkpoints_convert_and_play(kind, tmp_path, caplog):
    pytest.importorskip("music2latent")
    code, told = run(caplog, PARITY / f"{kind}_tiny.ckpt", tmp_path / "model", "--random-codec")
    assert code == 0 and all(f"{prefix}* 296" in told for prefix in PREFIXES[kind]), told
    assert "RANDOM" in told and "RANDOM" in (tmp_path / "model" / "README.md").read_text()
    audio = play(tmp_path / "model")
    assert np.isfinite(audio).all() and 1e-3 < np.abs(audio).max() < 1, "noise, and no silence"


SERVING = """
import pathlib, re, sys
from accomp.server.models import streamers_of
from accomp.server.worker import warm_up
warm_up(streamers_of(pathlib.Path(sys.argv[1]), "cpu", None))
print(re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells what memory was used")
@pytest.mark.skipif(precision(torch.device("cpu")) != torch.bfloat16, reason="this processor has no bfloat16")
def test_the_full_size_serves_in_about_a_gigabyte_and_a_half(tmp_path):
    """From the file to the first answer, all that the process has ever held; a third of it is PyTorch (its CUDA build)."""
    pytest.importorskip("music2latent")
    with torch.device("meta"):
        full = UNet().state_dict()
    save_file({f"net.unet.{name}": torch.zeros(value.shape) for name, value in full.items()},
              tmp_path / "student.safetensors")  # fmt: skip
    save_file(Music2Latent.untrained().state_dict(), tmp_path / "codec.safetensors")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configuration("consistency", {})))
    done = subprocess.run([sys.executable, "-c", SERVING, str(tmp_path)], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parents[1])  # fmt: skip
    most_gb = int(done.stdout) * 1024 / 1e9
    print(f"serving 257 M parameters took {most_gb:.2f} GB at most")
    assert most_gb < 1.65


@pytest.mark.parametrize(
    ("form", "text", "name", "wanted"),
    [
        ("edm", "10", "adpm2_10", {"steps": 10, "rho": 9.0, "sigma_max": 50.0}),
        ("edm", "5:7", "adpm2_5_rho7", {"steps": 5, "rho": 7.0}),
        ("consistency", "4:7:20", "cm_4_rho7_sigmamax20", {"steps": 5, "rho": 7.0, "sigma_max": 20.0}),
    ],
)
def test_a_sampler_with_other_numbers_is_named_after_them(form, text, name, wanted):
    samplers = configuration(form, {"width": 16, "blocks": 1}, [text])["samplers"]
    assert wanted.items() <= samplers[name].items() and len(samplers) == len(SAMPLERS[form]) + 1


@pytest.mark.parametrize("text", ["0", "five", "5:", "5:7:80:1", "5:-1"])
def test_a_sampler_that_cannot_be_is_one_line(text):
    with pytest.raises(UserError, match="10:7:80"):
        sampler_settings("edm", text)
