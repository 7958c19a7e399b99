"""A download survives interruptions, and nothing damaged or unsafe becomes a data set."""

import hashlib
import io
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from tqdm import tqdm

from accomp import disk
from accomp.data import download
from accomp.data.download import Archive, data_root, fetch, main, unpack, verify
from accomp.errors import UserError


def tarball(**contents):
    """A .tar.gz of these files (path with "__" for "/")."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


NOISE = np.random.default_rng(0).bytes(300_000)
CONTENT = tarball(**{f"toy__train__Track0000{n}__mix.flac": NOISE[n:] for n in (1, 2)}, toy__test__Track00003__a=b"x")


class Server(ThreadingHTTPServer):
    """Serves `content`; breaks the connection off after the next number in `cuts`, counted per answer."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cuts, self.ranges, self.status, self.resumes = CONTENT, [], [], 200, True
        self.url = f"http://127.0.0.1:{self.server_address[1]}/record/toy.tar.gz?download=1"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):  # the name that http.server calls
        server, wanted = self.server, self.headers.get("Range")
        server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.resumes else 0
        if server.status != 200:
            return self.send_error(server.status)
        if start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cuts.pop(0)] if server.cuts else body)
        self.close_connection = True


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def archive(server, monkeypatch):
    archive = Archive(server.url, hashlib.md5(CONTENT).hexdigest(), "toy", 1.5)
    monkeypatch.setitem(download.ARCHIVES, "slakh", archive)
    monkeypatch.setattr(download, "WAITS_S", (0.0, 0.0))
    return archive


def test_one_command_fetches_checks_and_unpacks(server, archive, tmp_path, caplog):
    caplog.set_level("INFO")
    assert main(["slakh", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "toy/train/Track00002/mix.flac").read_bytes() == NOISE[2:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy", "toy.tar.gz"]
    assert "2 train, 1 test" in caplog.text
    (tmp_path / "toy.tar.gz").unlink()
    assert main(["slakh", "--out", str(tmp_path)]) == 0  # there already
    assert server.ranges == [None]


def test_an_interrupted_transfer_goes_on_where_it_stopped(server, archive, tmp_path):
    server.cuts = [100_000, 0, 50_000]
    path = fetch(archive, tmp_path, waits_s=(0, 0))
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_another_run_goes_on_too_and_a_server_that_cannot_resume_begins_anew(server, archive, tmp_path):
    server.cuts = [100_000, 0, 0, 0]
    with pytest.raises(UserError, match=r"broke off; 0\.1 MB are kept, the same command"):
        fetch(archive, tmp_path, waits_s=(0, 0))
    server.resumes = False
    assert fetch(archive, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=100000-"


@pytest.mark.parametrize(("extra", "requests"), [(b"", 1), (b"too much", 2)])
def test_a_part_that_needs_no_more(server, archive, tmp_path, extra, requests):
    (tmp_path / "toy.tar.gz.part").write_bytes(CONTENT + extra)
    assert fetch(archive, tmp_path, waits_s=(0, 0)).read_bytes() == CONTENT
    assert len(server.ranges) == requests


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (503, 3)])
def test_refusals_are_one_line_and_only_passing_ones_are_tried_again(server, archive, tmp_path, status, requests):
    server.status = status
    with pytest.raises(UserError, match=str(status)):
        fetch(archive, tmp_path, waits_s=(0, 0))
    assert len(server.ranges) == requests


def test_nobody_answers(archive, server, tmp_path, monkeypatch):
    server.server_close()
    with pytest.raises(UserError, match="refused"):
        fetch(archive, tmp_path, waits_s=(0,))


def test_a_wrong_md5_is_one_line_and_the_file_set_aside(server, archive, tmp_path, caplog):
    server.content = CONTENT[:-1] + b"!"
    assert main(["slakh", "--out", str(tmp_path)]) == 2
    assert len(caplog.messages) == 1 and "md5" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["toy.tar.gz.bad"]
    server.content = CONTENT
    assert main(["slakh", "--out", str(tmp_path)]) == 0


def test_no_room_is_told_before_anything_is_written(server, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 2 * len(CONTENT)}))
    with pytest.raises(disk.DiskFull, match=r"are needed, .* are free"):
        fetch(archive, tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "toy.tar.gz.part").write_bytes(CONTENT[:-1000])  # then only the rest and the content need room
    assert fetch(archive, tmp_path).read_bytes() == CONTENT


def test_a_disk_that_fills_up_keeps_what_came(server, archive, tmp_path, monkeypatch):
    def full(self, count):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tqdm, "update", full)
    with pytest.raises(disk.DiskFull, match="the disk is full"):
        fetch(archive, tmp_path)
    monkeypatch.undo()
    assert fetch(archive, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("share", [0.3, 0.99, 0.99999])
def test_a_truncated_archive_is_refused_and_leaves_nothing(tmp_path, share):
    path = tmp_path / "toy.tar.gz"
    path.write_bytes(CONTENT[: int(share * len(CONTENT))])
    with pytest.raises(UserError, match="damaged archive"):
        unpack(path, tmp_path / "toy")
    assert [path.name for path in tmp_path.iterdir()] == ["toy.tar.gz"]


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/accomp-out.txt", "toy/../../out.txt"])
def test_nothing_is_written_outside(tmp_path, name):
    path = tmp_path / "in" / "toy.tar.gz"
    path.parent.mkdir()
    path.write_bytes(tarball(**{"toy/train/Track00001/a": b"1", name: b"2"}))
    if name.startswith("/"):  # made relative by the filter, as tar does
        unpack(path, tmp_path / "in" / "toy")
    else:
        with pytest.raises(UserError, match="not a safe archive"):
            unpack(path, tmp_path / "in" / "toy")
    assert [path.name for path in tmp_path.iterdir()] == ["in"] and not Path("/tmp/accomp-out.txt").exists()


def test_links_out_of_the_archive_are_refused(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("toy/train")
        info.type, info.linkname = tarfile.SYMTYPE, "../../.."
        tar.addfile(info)
    (tmp_path / "toy.tar.gz").write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="not a safe archive"):
        unpack(tmp_path / "toy.tar.gz", tmp_path / "toy")


def test_an_archive_of_something_else_is_refused(tmp_path):
    (tmp_path / "toy.tar.gz").write_bytes(tarball(readme=b"no tracks"))
    with pytest.raises(UserError, match="no TrackNNNNN"):
        unpack(tmp_path / "toy.tar.gz", tmp_path / "toy")
    with pytest.raises(UserError, match="md5"):
        verify(tmp_path / "toy.tar.gz", "0" * 32)


def test_a_copy_that_is_here_is_linked(archive, server, tmp_path, caplog):
    (tmp_path / "elsewhere/slakh/train/Track00001").mkdir(parents=True)
    out = tmp_path / "data"
    for raw in ("elsewhere", "elsewhere/slakh"):  # the folder around it serves as well, and twice is no harm
        assert main(["slakh", "--raw", str(tmp_path / raw), "--out", str(out)]) == 0
        assert (out / "toy").resolve() == (tmp_path / "elsewhere/slakh")
    assert not server.ranges
    (tmp_path / "other/Track00001").mkdir(parents=True)
    assert data_root(tmp_path / "other", "toy") == tmp_path / "other"
    (tmp_path / "two/a/Track00001").mkdir(parents=True)
    (tmp_path / "two/toy/Track00001").mkdir(parents=True)
    assert data_root(tmp_path / "two", "toy") == tmp_path / "two" / "toy"
    with pytest.raises(UserError, match="no TrackNNNNN"):
        data_root(tmp_path / "two", "b")  # which of the two?
    for raw, message in (("other", "exists and is not"), ("nowhere", "no TrackNNNNN")):
        assert main(["slakh", "--raw", str(tmp_path / raw), "--out", str(out)]) == 2
        assert message in caplog.text
