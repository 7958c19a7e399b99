"""Every package is pinned by its hash, and none is of a version that is known to be malicious or to run code from files."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MALICIOUS = {"lightning": {"2.6.2", "2.6.3"}, "pytorch-lightning": {"2.6.2", "2.6.3"}}  # GHSA-w37p-236h-pfx3
LEAST_TORCH = (2, 10)  # before it, a file could run code while its weights were read: CVE-2025-32434, CVE-2026-24747


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def names(requirements: list[str]) -> set[str]:
    """The packages that requirements of pyproject.toml name, without their versions."""
    return {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in requirements}


def pinned(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements", "requirements-play"])
def test_the_lock_holds_what_is_required_with_hashes(name):
    wanted = pinned((ROOT / f"{name}.txt").read_text())
    lock = (ROOT / f"{name}.lock").read_text()
    locked = {normal(package): version for package, version in pinned(lock).items()}
    assert len(locked) > len(wanted) > 5
    for package, version in wanted.items():
        assert locked.get(normal(package)) == version, f"{package}: run `make lock`"
    entries = re.split(r"^(?=[A-Za-z0-9._-]+==)", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not any(locked.get(package) in versions for package, versions in MALICIOUS.items())
    assert tuple(int(part) for part in locked["torch"].split(".")[:2]) >= LEAST_TORCH


def test_the_package_depends_on_what_the_lists_pin():
    base = names(PROJECT["dependencies"])
    everything = base.union(*map(names, PROJECT["optional-dependencies"].values()))
    assert base == {normal(name) for name in pinned((ROOT / "requirements-play.txt").read_text())}
    assert everything == {normal(name) for name in pinned((ROOT / "requirements.txt").read_text())}


@pytest.mark.parametrize("command", PROJECT["scripts"])
def test_a_console_command_starts_its_script(command, tmp_path):
    module, function = PROJECT["scripts"][command].split(":")
    assert callable(getattr(importlib.import_module(module), function))
    code = f"import sys; sys.argv[1:] = ['--help']; from {module} import {function}; {function}()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and f"{function}.py" in done.stdout, done.stderr


def test_a_console_command_without_a_checkout_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("accomp.commands.ROOT", tmp_path)
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("accomp.commands").train()
    assert ended.value.code == 2 and "pip install -e ." in capsys.readouterr().err
