"""The paper's network computes what the published one computes, and has its size and its names."""

from pathlib import Path

import pytest
import torch

from accomp.diffusion.unet import ConsistencyFill, UNet

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"
needs_parity = pytest.mark.skipif(not PARITY.is_dir(), reason=f"no reference numbers: {PARITY} is absent")


class Foreign:
    """Stands for a class that the checkpoint pickled and that we neither have nor want to run."""

    def __setstate__(self, state):
        pass


def weights(name: str, prefix: str) -> dict[str, torch.Tensor]:
    path = PARITY / name
    stubs = [(Foreign, name) for name in torch.serialization.get_unsafe_globals_in_checkpoint(path)]
    with torch.serialization.safe_globals(stubs):
        state = torch.load(path, weights_only=True)["state_dict"]
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


@pytest.fixture(scope="module")
def reference() -> dict:
    return torch.load(PARITY / "reference.pt", weights_only=True)


def tiny(name: str, prefix: str) -> UNet:
    unet = UNet(width=16, blocks=1).eval()
    unet.load_state_dict(weights(name, prefix), strict=True)
    return unet


def assert_close(ours: torch.Tensor, theirs: torch.Tensor):
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@needs_parity
@pytest.mark.parametrize("sigma", [80.0, 1.0, 0.05])
def test_equals_the_published_network(reference, sigma):
    unet = tiny("ldm_tiny.ckpt", "model.unet.")
    with torch.no_grad():
        ours = unet(reference["x"], reference["context"], reference["labels"], torch.full((2,), sigma))
    assert_close(ours, reference[f"F_{sigma}"])


@needs_parity
def test_equals_the_published_two_step_sampler(reference):
    unet = tiny("ldm_tiny.ckpt", "model.unet.")
    fill = ConsistencyFill(unet, reference["cm_sigmas"][:2].tolist())
    known, kept = reference["adpm2_source"], reference["adpm2_known"]
    ours = fill(known, kept, reference["context"], reference["labels"], reference["cm_noise"])
    assert_close(ours, reference["cm_result"])


def test_has_the_published_size_and_names():
    with torch.device("meta"):
        unet = UNet()
    assert sum(p.numel() for p in unet.parameters()) == 257_523_969
    assert len(list(unet.parameters())) == 602
    shapes = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
    assert len(shapes) == 614
    assert shapes["map_label.weight"] == (256, 4)
    assert shapes["enc.64x64_conv.weight"] == (256, 2, 3, 3)
    assert shapes["enc.32x32_down.conv0.resample_filter"] == (1, 1, 2, 2)
    assert shapes["enc.32x32_block0.qkv.weight"] == (1536, 512, 1, 1)
    assert shapes["dec.32x32_block4.conv0.weight"] == (512, 768, 3, 3)
    assert "dec.32x32_block4.proj.weight" in shapes and "dec.32x32_block3.proj.weight" not in shapes
    assert "enc.32x32_block1.skip.weight" not in shapes and "dec.8x8_in1.qkv.weight" not in shapes
    assert shapes["dec.64x64_aux_conv.weight"] == (1, 256, 3, 3)


def test_known_frames_come_back_untouched():
    torch.manual_seed(0)
    fill = ConsistencyFill(UNet(width=16, blocks=1).eval())
    known, context = torch.randn(2, 2, 1, 64, 64)
    kept = torch.zeros(2, 1, 64, 64, dtype=torch.bool)
    kept[..., :48] = True
    filled = fill(known, kept, context, torch.eye(4)[:2], torch.randn(4, 2, 1, 64, 64))
    assert torch.equal(filled[..., :48], known[..., :48])
    assert not torch.allclose(filled[..., 48:], known[..., 48:])


def test_an_item_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    unet = UNet(width=16, blocks=1).eval()
    torch.nn.init.normal_(unet.dec["64x64_aux_conv"].weight)
    x, context = torch.randn(2, 3, 1, 64, 64)
    labels, sigma = torch.eye(4)[:3], torch.tensor([80.0, 1.0, 0.05])
    with torch.no_grad():
        together = unet(x, context, labels, sigma)
        alone = torch.cat(
            [unet(x[i : i + 1], context[i : i + 1], labels[i : i + 1], sigma[i : i + 1]) for i in range(3)]
        )
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
