"""The question which notes sound is asked only where the answer is known."""

import torch
import torch.nn.functional as F

from accomp.diffusion.transformer import TransformerConfig
from accomp.lit.chroma_probe import ChromaProbe, masked_bce


def test_unknown_notes_teach_nothing():
    known, logits, notes = torch.rand(3, 24, 16) < 0.5, torch.randn(3, 24, 16), (torch.rand(3, 24, 16) < 0.3).float()
    expected = F.binary_cross_entropy_with_logits(logits[known], notes[known])
    torch.testing.assert_close(masked_bce(logits, notes.where(known, torch.nan)), expected)
    assert masked_bce(logits, torch.full_like(notes, torch.nan)) == 0


def test_only_the_frames_asked_for_count():
    logits, notes, where = (
        torch.randn(3, 12, 16),
        (torch.rand(3, 12, 16) < 0.3).float(),
        torch.arange(16).expand(3, 16) < 7,
    )
    torch.testing.assert_close(masked_bce(logits, notes, where), masked_bce(logits[..., :7], notes[..., :7]))


def test_every_frame_of_a_token_is_read():
    reader = ChromaProbe(TransformerConfig(width=8, patch=2), 1.0)
    hidden = torch.randn(3, 8, 8)
    other = hidden.clone()
    other[:, 3] = torch.randn(3, 8)
    changed = (reader(hidden) != reader(other)).any(1)
    assert changed[:, 6:8].all() and changed.sum() == 6
