"""A small, untrained model with the shape of the real one, and a tracker that knows the beat of `clicks`."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import yaml

from accomp.beat.tracker import Tracker
from accomp.codec.autoencoder import Autoencoder
from accomp.diffusion.precond import ConsistencyDenoiser, Denoiser
from accomp.diffusion.presets import PLAYING
from accomp.diffusion.transformer import Transformer
from accomp.export import save_weights
from accomp.timeline import SAMPLE_RATE

CODEC = {"channels": 8, "width": 16, "latent_width": 24, "encoder_blocks": 1, "decoder_blocks": 1, "latent_blocks": 1}
NET = {"channels": 8, "width": 32, "layers": 2, "heads": 2, "expansion": 2, "patch": 2}
TRACKER = {"channels": 8, "width": 64}


def shaken(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The module with no weight left at zero, so that every path carries something."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        fan = parameter.shape[1:].numel() if parameter.ndim > 1 else 16
        parameter.data = torch.randn(parameter.shape, generator=generator) / max(fan, 1) ** 0.5
    return module.eval()


def clicks(seconds: float, bpm: float = 120, phase: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Strokes of noise on every beat, the first of four louder, (N,), and the beat that each sample lies at, (N,)."""
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    beat = phase + time_s * bpm / 60
    level = 0.05 + np.exp(-(beat % 1) * 60 / bpm / 0.07) * np.where(beat % 4 < 1, 10, 5)
    noise = np.random.default_rng(round(bpm)).standard_normal(len(beat))
    return (0.1 * level * noise).clip(-1, 1).astype(np.float32), beat


@torch.inference_mode()
def fitted_tracker(codec: Autoencoder) -> Tracker:
    """Random but for the last layer, which is fitted to `clicks` of 90 to 140 bpm by least squares: within 0.1 beat."""
    tracker = shaken(Tracker(**TRACKER))
    states, pointers = [], []
    for bpm in range(90, 150, 10):
        audio, beat = clicks(12, bpm)
        latents = codec.encode(torch.from_numpy(audio)[None])
        angles = [2 * np.pi * beat[:: codec.hop][: latents.shape[2]] / n for n in (1, 4)]
        states.append(tracker.out[0](tracker.blocks(tracker.into(latents.transpose(1, 2))))[0])
        pointers.append(torch.from_numpy(np.stack([f(a) for a in angles for f in (np.sin, np.cos)], 1)).float())
    h = torch.cat(states)
    h = torch.cat([h, torch.ones(len(h), 1)], 1)
    weights = torch.linalg.solve(h.T @ h + 0.01 * torch.eye(h.shape[1]), h.T @ torch.cat(pointers))
    tracker.out[1].weight.data, tracker.out[1].bias.data = weights[:-1].T.contiguous(), weights[-1]
    return tracker


def write_model(folder: Path, codec: Autoencoder, net: type[torch.nn.Module], values: dict, **config) -> Path:
    """A model folder of this codec, of two random networks, teacher and student, and of the other keys of `config`."""
    folder.mkdir(exist_ok=True)
    save_weights(codec, folder / "codec.safetensors")
    for name, form in (("teacher", Denoiser), ("student", ConsistencyDenoiser)):
        save_weights(shaken(form(net(**values))), folder / f"{name}.safetensors")
    forms = {"teacher": "edm", "student": "consistency"}
    config |= {
        "codec": {"_target_": "accomp.codec.autoencoder.Autoencoder"} | asdict(codec.config),
        "net": {"_target_": f"{net.__module__}.{net.__qualname__}"} | values,
        "denoisers": {name: {"form": form, "sigma_data": 1.0} for name, form in forms.items()},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def write_tiny_model(folder: Path) -> Path:
    codec = shaken(Autoencoder(**CODEC))
    folder.mkdir()
    save_weights(fitted_tracker(codec), folder / "tracker.safetensors")
    sampling = {"samplers": PLAYING, "sampler": "student_2", "frames": 64, "longest_step": 40}
    return write_model(folder, codec, Transformer, NET, tracker=TRACKER, **sampling)
