import pytest
import torch

from accomp.window import PaperDraw, PlayingDraw, masks


def spans(mask):
    """True where each row of a mask is one run of frames."""
    edges = torch.diff(mask.int(), dim=1, prepend=torch.zeros(len(mask), 1), append=torch.zeros(len(mask), 1))
    return (edges == 1).sum(1) <= 1


@pytest.mark.parametrize("draw", [PlayingDraw(), PaperDraw()])
def test_masks_are_runs_and_the_target_ends_the_window(draw):
    m = draw(256, 320, torch.Generator().manual_seed(0))
    for mask in (m.visible, m.known, m.target):
        assert mask.shape == (256, 320)
        assert spans(mask).all()
    assert m.target[:, -1].all()
    assert not (m.known & m.target).any()


def test_playing_covers_what_playing_needs():
    m = PlayingDraw()(4000, 320, torch.Generator().manual_seed(1))
    target = m.target.sum(1)
    start, edge = 320 - target, (m.visible * torch.arange(1, 321)).amax(1)
    assert target.min() == 1 and (target > 66).float().mean() == pytest.approx(0.2, abs=0.03)
    assert (edge == 320).float().mean() == pytest.approx(0.25, abs=0.05)
    hidden = (start - edge)[(edge < 320) & (edge > 0)]
    assert hidden.min() == 0 and hidden.max() == 66
    assert (m.known.sum(1) == 0).float().mean() > 0.08  # cold starts
    full = m.known.sum(1) == start
    assert full.float().mean() > 0.4


def test_draws_depend_on_the_generator_alone():
    one, two = (PlayingDraw()(16, 64, torch.Generator().manual_seed(7)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(two).values(), strict=True))


def test_nothing_exists_before_the_session():
    index = [torch.tensor([i]) for i in (3, 8, 0, 10)]
    m = masks(12, *index)
    assert m.visible[0].tolist() == [False] * 3 + [True] * 5 + [False] * 4
    assert m.known[0].tolist() == [False] * 3 + [True] * 7 + [False] * 2
    assert m.target[0].tolist() == [False] * 10 + [True] * 2
