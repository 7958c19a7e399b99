"""A student that must choose where another one would average."""

import torch
from test_student import batch
from tiny_model import NET

from accomp.diffusion.precond import ConsistencyDenoiser, Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.lit.conditioner import Conditioner
from accomp.lit.denoising import DenoisingModule
from accomp.lit.distribution_matching import DistributionMatching
from accomp.lit.seeds import seeded_generator


class CoinTeacher(Denoiser):
    """The best denoiser of latents that are all +1 or all -1, each half of the time, (B, C, T)."""

    def __init__(self):
        super().__init__(torch.nn.Linear(1, 1))

    def forward(self, x, sigma, condition):
        evidence = x.mean((1, 2), keepdim=True) * x[0].numel() / sigma.view(-1, 1, 1) ** 2
        return torch.tanh(evidence).expand_as(x)


def student(objective) -> DenoisingModule:
    torch.manual_seed(0)
    net = Transformer(**NET)
    torch.nn.init.normal_(net.out.weight, std=0.05)
    conditioner = Conditioner(cond_dropout=0.0)
    return DenoisingModule(net, conditioner, objective, 1e-3, form=ConsistencyDenoiser, teacher=CoinTeacher())


def test_student_and_critic_move_and_the_teacher_has_nothing_to_move():
    module = student(DistributionMatching(share=1)).train()
    losses = module.losses(batch(), seeded_generator(0))
    assert set(losses) == {"matching", "critic"}
    torch.stack(list(losses.values())).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in module.denoiser.parameters())
    assert any(p.grad is not None and p.grad.any() for p in module.helpers["critic"].parameters())


def test_from_some_batches_only_the_critic_learns():
    module = student(DistributionMatching(share=0.25)).train()
    taught = 0
    for seed in range(40):
        module.zero_grad()
        losses = module.losses(batch(), seeded_generator(seed))
        torch.stack(list(losses.values())).sum().backward()
        assert any(p.grad is not None and p.grad.any() for p in module.helpers["critic"].parameters())
        moved = any(p.grad is not None and p.grad.any() for p in module.denoiser.parameters())
        assert moved == ("matching" in losses)
        taught += moved
    assert 4 <= taught <= 18
    assert set(module.eval().losses(batch(), seeded_generator(0))) == {"matching", "critic"}, "validation measures both"


def test_the_critic_learns_nothing_about_the_student_through_the_matching():
    module = student(DistributionMatching(share=1)).train()
    module.losses(batch(), seeded_generator(0))["matching"].backward()
    assert all(p.grad is None for p in module.helpers["critic"].parameters())


def test_an_answer_that_is_likelier_for_the_critic_than_for_the_teacher_is_pushed_away():
    objective, module = DistributionMatching(sigma_min=0.5, sigma_max=0.6), student(DistributionMatching())
    condition = module.conditioner(batch(), seeded_generator(0), module.denoiser.eval())
    answer = torch.full_like(batch()["target"], 0.4)  # between the two; the critic thinks all answers are there
    gradient = objective.gradient(
        module.teacher, lambda x, sigma, c: torch.full_like(x, 0.4), answer, condition, seeded_generator(1)
    )
    target = condition.masks.target.unsqueeze(1).expand_as(gradient)
    assert (gradient[target] < 0).all() and not gradient[~target].any(), "towards +1, where the teacher sees it"
