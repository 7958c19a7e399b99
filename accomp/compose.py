"""Composes the configuration of a script from conf/, and says in one line what is wrong with a command line."""

import difflib
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import hydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

CONF = Path(__file__).resolve().parent.parent / "conf"
PER_SCRIPT = ("experiment", "sweep")  # groups of conf/ that have a folder for each script


def own_groups(overrides: Sequence[str], script: str) -> list[str]:
    """`experiment=NAME` and `sweep=NAME` as the script's own groups: `experiment/<script>=NAME`."""
    pattern = re.compile(rf"({'|'.join(PER_SCRIPT)})=")
    return [pattern.sub(rf"\1/{script}=", text, count=1) if pattern.match(text) else text for text in overrides]


def command_line(script: str, overrides: Sequence[str]) -> str:
    """The command that gives a script these overrides, its own groups named as on the command line."""
    pattern = re.compile(rf"({'|'.join(PER_SCRIPT)})/{script}=")
    return shlex.join(["python", f"{script}.py", *(pattern.sub(r"\1=", text, count=1) for text in overrides)])


def compose(script: str, overrides: Sequence[str] = (), with_hydra: bool = False) -> DictConfig:
    """The configuration on which `python <script>.py <overrides>` runs; `with_hydra` adds Hydra's own part."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(script, own_groups(overrides, script), return_hydra_config=with_hydra)


def quoted(key: str, value: object) -> str:
    """An override with any text as its value: quoted, since Hydra's grammar refuses a bare path with spaces, for example."""
    text = str(value).replace('"', '\\"')
    return f'{key}="{text}"'


def explain(error: Exception, script: str, overrides: Sequence[str] = ()) -> str:
    """One line for a composition error, with the nearest setting or option that exists."""
    text = " ".join(str(error).split())
    if isinstance(error, OverrideParseException):
        return explain_parsing(error.override)
    if option := re.search(r"Could not find '([^']+)'", text):
        return explain_option(option[1], script)
    wrong = re.search(r"Key '([^']+)' is not in struct|Could not override '([^']+)'", text)
    if wrong is None:
        return text
    name = next(group for group in wrong.groups() if group)
    return f"{name}: no such setting" + did_you_mean(near_settings(name, known_settings(script, overrides)))


def explain_parsing(override: str) -> str:
    """What to do about an override that Hydra's grammar does not accept."""
    key, equals, value = override.partition("=")
    if not equals:
        return f"{override}: a setting is written as name=value"
    quoted = value.replace("'", "").replace('"', "")
    return f"{override}: quote a value with such characters, for the shell and once more inside: '{key}=\"{quoted}\"'"


def explain_option(path: str, script: str) -> str:
    """What to write in place of an option that a group of conf/ does not have; `path` is group/option."""
    group = next((f"{one}/{script}" for one in PER_SCRIPT if path.startswith(f"{one}/{script}/")), path.partition("/")[0])
    word, option = group.removesuffix(f"/{script}"), path.removeprefix(f"{group}/")
    if word in PER_SCRIPT:
        for other in (CONF / word).iterdir():
            if (other / f"{option}.yaml").is_file():
                return f"{word}={option} belongs to the other script: python {other.name}.py {word}={option}"
    options = [str(file.relative_to(CONF / group).with_suffix("")) for file in (CONF / group).rglob("*.yaml")]
    near = difflib.get_close_matches(option, sorted(options), 1, 0.5)
    return f"{word}={option}: no such option" + did_you_mean([f"{word}={one}" for one in near])


def did_you_mean(names: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(names)}?" if names else "; `--cfg job` shows all settings"


def near_settings(name: str, known: Sequence[str]) -> list[str]:
    """The dotted names of settings that may be meant: those that end in this word, and the one spelt most like it."""
    ending = [setting for setting in known if setting.endswith(f".{name}")][:2]
    near = difflib.get_close_matches(name, known, 1, 0.8 if ending else 0.5)
    return list(dict.fromkeys([*near, *ending]))


def known_settings(script: str, overrides: Sequence[str]) -> list[str]:
    """The dotted name of every setting and group of a script, as composed with the groups that were chosen."""
    groups = {str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.is_dir()} - {"experiment", "sweep"}
    chosen = [text for text in own_groups(overrides, script) if text.partition("=")[0].partition("@")[0] in groups]
    try:
        config = compose(script, chosen)
    except (HydraException, OmegaConfBaseException):
        config = compose(script)
    return sorted({*PER_SCRIPT, *dotted(config)})


def dotted(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """The name of every key below a node, with the keys above it in front."""
    for key in node:
        yield f"{prefix}{key}"
        value = None if OmegaConf.is_missing(node, key) else node._get_node(key)
        if isinstance(value, DictConfig):
            yield from dotted(value, f"{prefix}{key}.")
