"""Folders that appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from accomp.disk import DiskFull, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_folder_replaces_all_that_lay_there(tmp_path):
    out = tmp_path / "models/mine"
    for name in ("first", "second"):
        with whole_folder(out) as folder:
            (folder / name).touch()
    assert names(tmp_path) == ["mine", "models", "second"]
    assert out.stat().st_mode & 0o777 == 0o777 & ~current_umask(), "readable by those who may read other new folders"


@pytest.mark.parametrize(("error", "raised"), [(ValueError, ValueError), (OSError(errno.ENOSPC, "full"), DiskFull)])
def test_a_folder_that_cannot_be_filled_leaves_what_lay_there(error, raised, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "old").touch()
    with pytest.raises(raised), whole_folder(out) as folder:
        (folder / "new").touch()
        raise error
    assert names(tmp_path) == ["mine", "old"]


def test_a_folder_that_cannot_be_put_in_its_place_leaves_what_lay_there(tmp_path, monkeypatch):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "old").touch()
    replace = os.replace

    def refuse_the_new(source, target):
        if Path(source).name == "new":
            raise OSError(errno.EIO, "broken")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_the_new)
    with pytest.raises(OSError, match="broken"), whole_folder(out) as folder:
        (folder / "new").touch()
    assert names(tmp_path) == ["mine", "old"]


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
