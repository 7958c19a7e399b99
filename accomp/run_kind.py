"""What a training run trained, and the command that makes a model folder of it."""

from pathlib import Path

ROLES = {
    "codec": "a codec (experiment=notes or experiment=autoencoder)",
    "teacher": "a diffusion model (experiment=planned)",
    "student": "a student (experiment=student_matching)",
    "tracker": "a beat tracker (experiment=living_tracker)",
    "coherence": "a coherence model (experiment=coherence)",
    "paper": "a model of the paper (experiment=paper_...)",
}


def kind_of(module: dict) -> str | None:
    """The key of `ROLES` for the settings of a run's module; None when it is another kind."""
    if "tracker" in module:
        return "tracker"
    if "teacher" in module:
        return "student" if "guidance" in module else "paper"
    if "net" in module and "codec" in module:
        return "paper"
    if "net" in module:
        return "teacher" if "conditioner" in module else "coherence"
    return "codec" if "codec" in module else None


def export_command(run: Path, module: dict) -> str:
    """The command that makes a model folder of a run; what it does not know is written in capitals."""
    kind = kind_of(module)
    if kind in ("paper", "coherence"):
        return f"python -m accomp.export MODEL --{kind} {run}"
    parts = {"codec": "CODEC", "teacher": "TEACHER"}
    if kind == "student":
        parts["teacher"] = module["teacher"]
    if kind is not None:
        parts[kind] = str(run)
    return "python -m accomp.export MODEL " + " ".join(f"--{name} {value}" for name, value in parts.items())
