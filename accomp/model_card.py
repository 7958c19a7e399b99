"""The README.md of an exported model: what each part is and how it was trained."""

from pathlib import Path

from torch import nn

from accomp.run_kind import kind_of
from accomp.training_run import run_config, run_facts

CARD = """# {name}

Made by `{command}`. Play it with `python serve.py --model {out}`; score it with `python evaluate.py model={out}`.

| part | parameters | steps | data | code | trained by |
|---|---|---|---|---|---|
{rows}

Samplers: {samplers}; the default is `{sampler}`. Weights are in half precision, averaged over the last steps of training.
Steps and data are those of the last run of each part; a run that began with the weights of another names it (`start=`).
"""


def card(out: Path, config: dict, parts: dict[str, nn.Module], runs: dict[str, Path]) -> str:
    """The model card of the folder `out` with this configuration, these parts and the runs that they come from."""
    command = f"python -m accomp.export {out} " + " ".join(f"--{role} {run}" for role, run in runs.items())
    rows = [row(role, parts[role], run) for role, run in runs.items()]
    samplers = ", ".join(f"`{name}`" for name in config["samplers"])
    return CARD.format(
        name=out.name, out=out, command=command, rows="\n".join(rows), samplers=samplers, sampler=config["sampler"]
    )


def row(role: str, part: nn.Module, run: Path) -> str:
    """The line of one part in the table."""
    parameters = f"{sum(p.numel() for p in part.parameters()) / 1e6:.2f} M"
    if kind_of(run_config(run).get("module", {})) is None:
        return f"| {role} | {parameters} | | | | copied from the model {run} |"
    facts = run_facts(run)
    return f"| {role} | {parameters} | {facts.steps:,} | {facts.data} | {facts.code} | `{facts.command}` |"
