import shutil

import pytest
import yaml

from accomp.errors import UserError
from accomp.model import PARTS, load_model


@pytest.fixture
def copy(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


def damage(folder, **changes):
    config = yaml.safe_load((folder / "config.yaml").read_text()) | changes
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_whole_folder_loads(copy):
    model = load_model(copy)
    denoiser, sampler, sigmas = model.sampler("student_3")
    assert model.name == "model" and len(sigmas) == 4 and callable(sampler) and denoiser is model.denoisers["student"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda f: shutil.rmtree(f), "no model folder"),
        (lambda f: (f / "codec.safetensors").unlink(), "damaged"),
        (lambda f: (f / "codec.safetensors").write_bytes(b"\xff" * 100), "damaged"),
        (lambda f: (f / "student.safetensors").write_bytes((f / "student.safetensors").read_bytes()[:-10]), "damaged"),
        (lambda f: (f / "config.yaml").write_text("{"), "damaged"),
        (lambda f: (f / "config.yaml").write_text("!!python/object/apply:os.system ['true']"), "damaged"),
        (lambda f: damage(f, net={"_target_": "accomp.diffusion.transformer.Transformer", "width": 64}), "damaged"),
        (lambda f: damage(f, net={"_target_": "os.system"}), "not part of accomp"),
        (lambda f: damage(f, sampler="best"), "choose one of"),
    ],
)
def test_damage_is_named_in_one_line(copy, how, message):
    how(copy)
    with pytest.raises(UserError, match=message) as error:
        load_model(copy)
    assert "\n" not in str(error.value)


def test_an_impossible_device_is_named(copy):
    with pytest.raises(UserError, match="device"):
        load_model(copy, "warp9")


def test_parts_of_how_a_model_plays_can_be_left_out(copy):
    damage(copy, monophonic=["bass"])
    whole, less = load_model(copy), load_model(f"{copy} without monophonic+smoothing")
    assert whole.name == "model" and less.name == "model without monophonic+smoothing"
    assert [whole.uses(part) for part in PARTS] == [True] * 4
    assert [part for part in PARTS if less.uses(part)] == ["weights", "renewal"]
    assert whole.monophonic(["bass", "drums"]).tolist() == [True, False] and not less.monophonic(["bass"]).any()
    with pytest.raises(UserError, match=r"'rhythm' is no part .*weights, smoothing, monophonic, renewal"):
        load_model(f"{copy} without rhythm")
