"""Parts of a model from a configuration: what may be named, and by whom."""

import pytest
import torch

from accomp.diffusion.transformer import Transformer
from accomp.errors import UserError
from accomp.parts import build_part


def test_a_part_is_made_of_its_class_and_values():
    net = build_part({"_target_": "accomp.diffusion.transformer.Transformer", "channels": 3, "width": 8, "heads": 2})
    assert isinstance(net, Transformer) and net.config.channels == 3


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("torch.nn.Identity", "not part of accomp"),
        ("os.system", "not part of accomp"),
        ("accomp_evil.Net", "not part of accomp"),
        ("accomp.diffusion.transformer.Nothing", "is not there"),
        ("accomp.nowhere.Net", "is not there"),
        ("accomp.diffusion.noise.karras", "neither a network nor a codec"),
        ("accomp.errors.UserError", "neither a network nor a codec"),
        (None, "not part of accomp"),
    ],
)
def test_a_model_folder_names_nothing_but_networks_of_this_package(target, message):
    with pytest.raises(UserError, match=message) as error:
        build_part({"_target_": target})
    assert "\n" not in str(error.value)


def test_a_run_of_ones_own_may_name_any_network_and_nothing_else():
    assert isinstance(build_part({"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}, True), torch.nn.Linear)
    with pytest.raises(UserError, match="neither a network nor a codec"):
        build_part({"_target_": "os.system", "command": "true"}, trusted=True)
