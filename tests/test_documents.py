"""Every command that the documentation shows is one that the programs accept, and none writes into another one's folder.

Nothing is run here: configurations are composed, arguments parsed, targets and files looked up. `test_documents_run.py` runs
the commands.
"""

import argparse
import ast
import functools
import importlib
import importlib.util
import itertools
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence

import documents
import pytest
from documents import ROOT, Command
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from accomp.compose import compose
from accomp.errors import UserError
from accomp.evaluation import report, settings

COMMANDS = documents.every_command()
DIFFERENT = {command.words: command for command in reversed(COMMANDS)}.values()  # each at its first place
TRUSTED = {"source", "git", "cd", "pip", "sbatch", "apt-get"}  # programs whose arguments are not looked at
HOW_IT_RUNS = re.compile(
    r"(launcher|trainer|threads|device|workers|do|logger|shards|hydra\..*)="
)  # no part of what is computed


@pytest.fixture(scope="module", autouse=True)
def configurations_with_examples(tmp_path_factory) -> Iterator[None]:
    """Compose from a copy of conf/ that holds the configurations which docs/contributing.md tells a reader to write."""
    place = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "conf", place / "conf")
    for name, text in documents.example_files().items():
        if name.startswith("conf/"):
            (place / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("accomp.compose.CONF", place / "conf")
        yield


class ParsedError(Exception):
    """Ends a program once its arguments are parsed."""


@pytest.mark.parametrize("command", DIFFERENT, ids=lambda one: f"{one.source} {one.text[:60]}")
def test_a_command_of_the_documentation_is_accepted(command, monkeypatch):
    check(command.words, monkeypatch)


def check(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when the program would refuse these words."""
    program, arguments = words[0], words[1:]
    if program in ("python", ".venv/bin/python"):
        check_python(arguments, monkeypatch)
    elif program == "torchrun":
        check_python(arguments[arguments.index("train.py") :], monkeypatch)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "pytest":
        assert all((ROOT / word).exists() for word in arguments if word.startswith("tests/"))
    elif program == "jupyter":
        assert arguments[0] == "nbconvert" and all((ROOT / word).exists() for word in arguments if "/" in word)
    elif program.startswith("accomp-"):
        script = {"play": "clients/python/play.py"}.get(program[7:], f"{program[7:]}.py")
        check_python((script, *arguments), monkeypatch)
    else:
        assert program in TRUSTED


def check_python(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    target, rest = arguments[0], arguments[1:]
    if target == "-c":
        check_code(rest[0])
    elif rest == ("--help",) or target in ("train.py", "evaluate.py"):
        for overrides in () if rest == ("--help",) else each_trial(rest):
            configuration(target.removesuffix(".py"), overrides)
    elif target == "-m":
        module = importlib.import_module(rest[0])
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"{rest[0]}.__main__")
        if len(rest) > 1:  # else it is only mentioned
            options = parsed(module.main, rest[1:], monkeypatch)
            if rest[0] == "accomp.tune":
                for overrides in each_trial(options.overrides):
                    configuration("train", overrides)
    else:
        spec = importlib.util.spec_from_file_location(f"documented_{target.replace('/', '_')[:-3]}", ROOT / target)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if hasattr(module, "main"):
            parsed(module.main, rest, monkeypatch)


def check_code(code: str) -> None:
    """The names that a piece of code imports from this package exist."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("accomp"):
            assert all(hasattr(importlib.import_module(node.module), name.name) for name in node.names)


def parsed(main, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """What the parser of a program makes of its arguments; the program ends there."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_end(self, args=None, namespace=None):
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
        raise ParsedError(parse(self, args, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_end)
    with pytest.raises(ParsedError) as ended:
        main(list(arguments))
    return ended.value.args[0]


def each_trial(overrides: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The overrides of every trial of a command: one without a sweep, else one for each combination of values."""
    overrides = [text for text in overrides if text not in ("-m", "--multirun")]
    choices = [values(override) for override in OverridesParser.create().parse_overrides(overrides)]
    return itertools.product(*choices)


@functools.cache
def configuration(script: str, overrides: tuple[str, ...]) -> dict:
    """What a script composes from its overrides, checked as the script does."""
    config = compose(script, overrides)
    if script == "evaluate":
        settings.read(config)
    return OmegaConf.to_container(config, resolve=True)


def values(override: Override) -> list[str]:
    """An override; in a sweep one for each of its values, or for the lower end of its interval."""
    if not override.is_sweep_override():
        return [override.input_line]
    if override.is_interval_sweep():
        return [f"{override.get_key_element()}={override.value().start}"]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def test_no_two_commands_write_different_results_into_one_folder():
    """Commands that differ in more than in how they are run have folders of their own."""
    folders = defaultdict(dict)
    for command in COMMANDS:
        if scripts := [word for word in ("train.py", "evaluate.py") if word in command.words]:
            overrides = command.words[command.words.index(scripts[0]) + 1 :]
            if overrides and overrides != ("--help",):
                kind = frozenset(word for word in overrides if word != "-m" and not HOW_IT_RUNS.match(word))
                config = configuration(scripts[0].removesuffix(".py"), next(each_trial(overrides)))
                folders[config["out_dir"]].setdefault(kind, command.source)
    shared = {folder: sources for folder, sources in folders.items() if len(sources) > 1}
    assert len(folders) > 30 and not shared


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("python train.py experiment=codec", Exception),  # it is evaluate.py's
        ("python train.py experiment=latency", Exception),
        ("python evaluate.py regime=nine", Exception),
        ("python evaluate.py measure=codec stems=[flute]", UserError),
        ("python train.py -m experiment=planned module.rate=1,2", Exception),
        ("python -m accomp.tune out/x --trials 3 experiment=planned module.net.layer=choice(1,2)", Exception),
        ("python serve.py --port 7000", SystemExit),
        ("python -m accomp.data.band build", SystemExit),
        ("python -m accomp.absent --out x", ModuleNotFoundError),
        ("python -c from_accomp", None),
        ("make demonstration", AssertionError),
        ("accomp-serve --port x", SystemExit),
        ("frobnicate --all", AssertionError),
    ],
)
def test_a_wrong_command_is_not_accepted(command, error, monkeypatch):
    words = tuple(command.split())
    if error is None:
        check(words, monkeypatch)
    else:
        with pytest.raises(error):
            check(words, monkeypatch)


def test_what_a_page_says_is_read_as_commands(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(
        "See `python a.py x=1`, and\n\n```sh\nA=1 make b  # why\npython c.py \\\n    --d   # needs: gpu\n```\n"
        "\n<!-- needs: slurm -->\n| `python e.py` |\n| `not a command` |\n\n`python f.py`\n\n    python g.py && python h.py &\n"
    )
    found = [(one.text, one.needs) for one in documents.page_commands("page.md")]
    assert found == [
        ("python a.py x=1", ""),
        ("make b", ""),
        ("python c.py --d", "gpu"),
        ("python e.py", "slurm"),
        ("python f.py", ""),
        ("python g.py", ""),
        ("python h.py", ""),
    ]


def test_the_experiments_of_the_documentation_are_all_there_are():
    """Each experiment and sweep is in the pages, so that a reader can find it, and begins with its own command."""
    pages = "\n".join((ROOT / page).read_text() for page in documents.PAGES)
    for group in ("experiment", "sweep"):
        for path in sorted((ROOT / "conf" / group).rglob("*.yaml")):
            name = str(path.relative_to(ROOT / "conf" / group).with_suffix("")).partition("/")[2]
            assert f"{group}={name}" in pages, path
            assert any(
                one.source.startswith(f"{path.relative_to(ROOT)}:2") and f"{group}={name}" in one.words for one in COMMANDS
            ), path


def test_links_between_pages_lead_somewhere():
    for page in documents.PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
            assert "://" in target or ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_commands_are_many(monkeypatch):
    assert len(COMMANDS) > 100 and all(isinstance(one, Command) for one in COMMANDS)


@pytest.mark.parametrize("file", sorted((ROOT / "docs" / "results").glob("*.csv")), ids=lambda file: file.stem)
def test_the_numbers_of_a_results_table_are_those_of_its_csv(file):
    """docs/results/NAME.csv is the summary of the evaluation that is named so; the table after its command holds its means."""
    page = (ROOT / "docs" / "results.md").read_text()
    assert f"name={file.stem}\n" in page
    section = page.partition(f"name={file.stem}\n")[2].partition("\n## ")[0]
    shown = {float(cell) for line in section.splitlines() for cell in re.findall(r"(?<=\| )-?\d+\.\d+(?= \|)", line + " ")}
    means = {round(line["mean"], digits) for line in report.read_summary(file) for digits in (1, 2, 3) if line["n"]}
    assert len(shown) > 10 and shown <= means, sorted(shown - means)
