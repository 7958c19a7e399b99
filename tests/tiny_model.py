"""A small, untrained model with the shape of the real one: enough for every property that does not need ears."""

from pathlib import Path

import torch
import yaml

from accomp.codec.autoencoder import Autoencoder
from accomp.diffusion.precond import ConsistencyDenoiser, Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.export import DEFAULT_SAMPLERS, save_weights

CODEC = {"channels": 8, "width": 16, "latent_width": 24, "encoder_blocks": 1, "decoder_blocks": 1, "latent_blocks": 1}
NET = {"channels": 8, "width": 32, "layers": 2, "heads": 2, "expansion": 2, "patch": 2, "pitch_head": 8}


def shaken(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The module with no weight left at zero, so that every path carries something."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        fan = parameter.shape[1:].numel() if parameter.ndim > 1 else 16
        parameter.data = torch.randn(parameter.shape, generator=generator) / max(fan, 1) ** 0.5
    return module.eval()


def write_tiny_model(folder: Path) -> Path:
    folder.mkdir()
    save_weights(shaken(Autoencoder(**CODEC)), folder / "codec.safetensors")
    for name, form in (("teacher", Denoiser), ("student", ConsistencyDenoiser)):
        save_weights(shaken(form(Transformer(**NET))), folder / f"{name}.safetensors")
    config = {
        "codec": {"kind": "causal"} | CODEC,
        "net": {"kind": "transformer"} | NET,
        "denoisers": {
            "teacher": {"form": "edm", "sigma_data": 1.0},
            "student": {"form": "consistency", "sigma_data": 1.0},
        },
        "samplers": DEFAULT_SAMPLERS,
        "sampler": "student_2",
        "frames": 64,
        "longest_step": 40,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder
