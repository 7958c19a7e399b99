"""MusiCNN's layers, and its weights as TensorFlow 1 wrote them; the true ones ship in the package `musicnn`."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from accomp.errors import UserError
from accomp.metrics.checkpoint_file import DATA, INDEX, read_weights
from accomp.metrics.musicnn import DENSE, FRAMES, MELS, RATE, Musicnn, musicnn, musicnn_embedding, pieces, same
from accomp.timeline import SAMPLE_RATE


def number(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(index: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return number(index << 3) + number(value)
    return number(index << 3 | 2) + number(len(value)) + value


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Entries whose keys share what they have in common with the one before, one restart, not compressed, no checksum."""
    out, last = b"", b""
    for key, value in entries:
        shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        out += number(shared) + number(len(key) - shared) + number(len(value)) + key[shared:] + value
        last = key
    return out + struct.pack("<II", 0, 1) + bytes(5)


def write_checkpoint(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    data, entries = b"", [(b"", field(1, 1))]
    for name, tensor in sorted(tensors.items()):
        raw = np.ascontiguousarray(tensor, "<f4").tobytes()
        shape = b"".join(field(2, field(1, size)) for size in tensor.shape)
        entry = field(1, 1) + field(2, shape) + (field(4, len(data)) if data else b"") + field(5, len(raw))
        entries.append((name.encode(), entry + number(6 << 3 | 5) + bytes(4)))  # the last is a checksum
        data += raw
    half = len(entries) // 2
    table, handles = b"", []
    for some in (entries[:half], entries[half:]):
        new = block(some)
        handles.append((some[-1][0], number(len(table)) + number(len(new) - 5)))
        table += new
    index = block(handles)
    footer = number(0) + number(0) + number(len(table)) + number(len(index) - 5)
    (folder / INDEX).write_bytes(table + index + footer.ljust(40, b"\0") + bytes(8))
    (folder / DATA).write_bytes(data)


def published(net: Musicnn) -> dict[str, np.ndarray]:
    """A network's weights under the names and in the shapes of the checkpoint."""
    layers = [*net.front, *net.middle]
    out = {}
    for kind, group in (("conv2d", [layer.conv for layer in layers]), ("dense", [net.dense, net.out[1]])):
        for i, layer in enumerate(group):
            name = f"{kind}_{i}" if i else kind
            weight = layer.weight.detach().numpy()
            out[f"{name}/kernel"] = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
            out[f"{name}/bias"] = layer.bias.detach().numpy()
    for i, norm in enumerate([net.norm, *(layer.norm for layer in layers), net.pooled, net.out[0]]):
        name = f"batch_normalization_{i}" if i else "batch_normalization"
        out |= {f"{name}/gamma": norm.weight.detach().numpy(), f"{name}/beta": norm.bias.detach().numpy()}
        out |= {f"{name}/moving_mean": norm.running_mean.numpy(), f"{name}/moving_variance": norm.running_var.numpy()}
    return out


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[Musicnn, Path]:
    """A network of drawn weights and the checkpoint that holds them."""
    folder = tmp_path_factory.mktemp("musicnn")
    torch.manual_seed(0)
    net = Musicnn().eval()
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand(tensor.shape))
    write_checkpoint(folder, published(net))
    return net, folder


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    names = ["a", "batch/gamma", "batch/gamma_1", "conv/kernel", "conv/kernel/deeper"]
    tensors = {name: rng.standard_normal(i * (3,)).astype(np.float32) for i, name in enumerate(names)}
    write_checkpoint(tmp_path, tensors)
    found = read_weights(tmp_path)
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_compressed_table_is_refused(tmp_path):
    write_checkpoint(tmp_path, {"a": np.ones(3)})
    table = bytearray((tmp_path / INDEX).read_bytes())
    size = table.index(struct.pack("<II", 0, 1)) + 8
    table[size] = 1  # snappy
    (tmp_path / INDEX).write_bytes(table)
    with pytest.raises(ValueError, match="compressed"):
        read_weights(tmp_path)


def test_the_network_has_the_published_shapes():
    shapes = {name: value.shape for name, value in published(Musicnn()).items()}
    assert shapes["conv2d_1/kernel"] == (7, 67, 1, 204) and shapes["conv2d_5/kernel"] == (7, 561, 1, 64)
    assert shapes["dense/kernel"] == (1506, 200) and shapes["batch_normalization_9/moving_mean"] == (1506,)


def test_the_weights_of_a_checkpoint_answer_as_they_did(drawn):
    net, folder = drawn
    mel = torch.rand(2, FRAMES, MELS)
    with torch.inference_mode():
        for ours, theirs in zip(musicnn(folder)(mel), net(mel), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_a_filter_of_even_length_is_padded_more_behind_than_before():
    padded = same(torch.arange(1.0, 6).view(1, 1, 5, 1), 4)[0, 0, :, 0]
    assert padded.tolist() == [0, 1, 2, 3, 4, 5, 0, 0]


def test_spectrograms_have_the_loudest_band_where_the_tone_is():
    tone = np.sin(2 * np.pi * 1000 * np.arange(7 * SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    found = pieces(tone)
    assert found.shape == (7 * RATE // 256 // FRAMES, FRAMES, MELS)
    # Slaney's mel scale is linear up to 1 kHz, which is 15 of its units; 8 kHz is 45.2 of them
    assert set(found[:, 10:-10].argmax(2).flatten().tolist()) <= {31, 32} and found.min() >= 0


def test_sound_of_any_length_becomes_points(drawn):
    embed = musicnn_embedding(drawn[1])
    noise = (0.1 * np.random.default_rng(0).standard_normal(7 * SAMPLE_RATE)).astype(np.float32)
    points = embed(noise)
    assert points.shape == (2, DENSE) and np.isfinite(points).all()
    for short in (noise[:1000], np.zeros(SAMPLE_RATE, np.float32)):
        assert embed(short).shape == (1, DENSE)


def test_weights_that_are_missing_or_strange_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"pip download musicnn.*musicnn=null"):
        musicnn(tmp_path)
    write_checkpoint(tmp_path, {"dense_1/bias": np.zeros(50)})
    with pytest.raises(UserError, match="not MusiCNN's weights") as error:
        musicnn(tmp_path)
    assert "\n" not in str(error.value)
    (tmp_path / INDEX).write_bytes(b"nonsense" * 20)
    with pytest.raises(UserError, match="not MusiCNN's weights"):
        musicnn(tmp_path)
