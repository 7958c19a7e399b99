"""The paper's network computes what the published one computes, and has its size and its names."""

import torch

from accomp.beat.clock import CLOCK_FEATURES
from accomp.diffusion.condition import Condition
from accomp.diffusion.precond import Denoiser
from accomp.diffusion.unet import PaperUNet, UNet
from accomp.window import masks


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


def test_what_is_hidden_is_not_heard():
    torch.manual_seed(0)
    denoiser = Denoiser(PaperUNet(width=16, blocks=1)).eval()
    torch.nn.init.normal_(denoiser.net.unet.dec["64x64_aux_conv"].weight)
    x, context, other = torch.randn(3, 2, 64, 16)
    seen = masks(16, *(torch.tensor([frame] * 2) for frame in (0, 8, 0, 12)))
    nothing, stem = torch.zeros(2, CLOCK_FEATURES, 16), torch.tensor([1, 3])

    @torch.no_grad()
    def play(context, past, stem):
        return denoiser(x, torch.tensor([1.0, 5.0]), Condition(context, past, seen, stem, nothing))

    answer = play(context, x, stem)
    assert torch.equal(answer, play(torch.cat([context[:, :, :8], other[:, :, 8:]], 2), other, stem))
    assert not torch.allclose(answer, play(torch.cat([other[:, :, :8], context[:, :, 8:]], 2), x, stem))
    assert not torch.allclose(answer, play(context, x, stem - 1))


def test_an_item_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    unet = UNet(width=16, blocks=1).eval()
    torch.nn.init.normal_(unet.dec["64x64_aux_conv"].weight)
    x, context = torch.randn(2, 3, 1, 64, 64)
    labels, sigma = torch.eye(4)[:3], torch.tensor([80.0, 1.0, 0.05])
    with torch.no_grad():
        together = unet(x, context, labels, sigma)
        alone = torch.cat([unet(x[i : i + 1], context[i : i + 1], labels[i : i + 1], sigma[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
