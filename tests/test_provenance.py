"""The hash of code changes with what code does, wherever it is imported from, and with nothing else."""

import sys

import pytest

from accomp import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `accomp.made_up` of two modules, of which `first` imports `second` inside a function."""
    folder = tmp_path / "made_up"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "first.py").write_text("def f():\n    from accomp.made_up import second\n    return second.VALUE\n")
    (folder / "second.py").write_text("VALUE = 1\n")
    monkeypatch.setattr(sys.modules["accomp"], "__path__", [*sys.modules["accomp"].__path__, str(tmp_path)])
    yield folder
    for name in [name for name in sys.modules if name.startswith("accomp.made_up")]:
        del sys.modules[name]


def hashed(name: str = "accomp.made_up.first") -> str:
    for cached in (provenance._source, provenance._imports, provenance._meaning):
        cached.cache_clear()
    return provenance.code_hash(name)


def test_comments_and_docstrings_do_not_count(package):
    before = hashed()
    (package / "second.py").write_text('"""A value."""\n\nVALUE = (\n    1  # one\n)\n')
    assert hashed() == before


def test_what_an_import_brings_counts(package):
    before = hashed()
    (package / "second.py").write_text("VALUE = 2\n")
    assert hashed() != before


def test_what_is_not_imported_does_not_count(package):
    before = hashed("accomp.made_up.second")
    (package / "first.py").write_text("def f():\n    return 3\n")
    assert hashed("accomp.made_up.second") == before
