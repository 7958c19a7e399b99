"""Every package is pinned by its hash, and none is of a version that is known to be malicious or to run code from files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MALICIOUS = {"lightning": {"2.6.2", "2.6.3"}, "pytorch-lightning": {"2.6.2", "2.6.3"}}  # GHSA-w37p-236h-pfx3
LEAST_TORCH = (2, 10)  # before it, a file could run code while its weights were read: CVE-2025-32434, CVE-2026-24747


def pinned(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements", "requirements-play"])
def test_the_lock_holds_what_is_required_with_hashes(name):
    wanted = pinned((ROOT / f"{name}.txt").read_text())
    lock = (ROOT / f"{name}.lock").read_text()
    locked = {package.lower().replace("_", "-"): version for package, version in pinned(lock).items()}
    assert len(locked) > len(wanted) > 5
    for package, version in wanted.items():
        assert locked.get(package.lower().replace("_", "-")) == version, f"{package}: run `make lock`"
    entries = re.split(r"^(?=[A-Za-z0-9._-]+==)", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not any(locked.get(package) in versions for package, versions in MALICIOUS.items())
    assert tuple(int(part) for part in locked["torch"].split(".")[:2]) >= LEAST_TORCH
