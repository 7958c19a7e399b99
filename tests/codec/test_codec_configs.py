"""Both configurations of the autoencoder build, are as large as they say, and have the hop and the delay that they state."""

import pytest
import torch
import yaml

from accomp.compose import CONF
from accomp.parts import build_part

HOPS = {"causal": 2048, "causal_4096": 4096}


def values(name: str) -> dict:
    found = yaml.safe_load((CONF / "codec" / f"{name}.yaml").read_text())
    base = {}
    for other in found.pop("defaults", []):
        base |= values(other)
    return base | found


@pytest.mark.parametrize("name", HOPS)
@torch.inference_mode()
def test_hop_and_delay_are_as_stated(name):
    codec = build_part(values(name)).eval()
    assert (codec.hop, codec.channels, codec.delay) == (HOPS[name], 64, 1024)
    assert 5.5e6 < sum(p.numel() for p in codec.parameters()) < 6e6
    latents = codec.encode(torch.zeros(1, 4 * codec.hop + 100))
    assert latents.shape == (1, 64, 4)
    streamed, _ = codec.decode_stream(latents)
    assert streamed.shape == (1, 4 * codec.hop)
    # A change of frame 2 sounds as early as the stated delay allows, and no earlier.
    changed = latents.clone()
    changed[:, :, 2] += 1
    difference = (codec.decode_stream(changed)[0] - streamed).abs()[0]
    first = int(difference.nonzero()[0])
    assert 2 * codec.hop <= first <= 2 * codec.hop + 8
    # What is streamed is the music, `delay` samples late.
    offline = codec.decode(latents)
    assert torch.equal(streamed[:, codec.delay :], offline[:, : -codec.delay])
