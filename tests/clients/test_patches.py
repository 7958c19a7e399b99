"""The patches are what their descriptions say, to the cord."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

GOOD = """patch demo 300 200
-- say hello
go: toggle @ 20 20 -> each: t b b
each.1 -> (print second)
each.0 -> (print first)
m= hello $1
"""


@pytest.fixture(scope="module")
def patch(clients):
    spec = importlib.util.spec_from_file_location("patch", clients / "patch.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["patch"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["patch"]


def described(patch, clients, kind):
    return [patch.read(path.read_text()) for path in sorted((clients / kind).glob("*.txt"))]


def test_every_file_is_what_its_description_makes(patch):
    assert patch.main(["--check"]) == 0 and len(patch.outputs(patch.HERE)) == 5


def test_max_patches_hold_every_box_and_every_cord(patch, clients):
    def same(patcher, found):
        boxes = [entry["box"] for entry in found["boxes"]]
        assert [box["id"] for box in boxes] == [f"obj-{n}" for n in range(1, len(patcher.boxes) + 1)]
        numbers = {box["id"]: n for n, box in enumerate(boxes)}
        cords = []
        for line in (entry["patchline"] for entry in found["lines"]):
            (source, outlet), (target, inlet) = line["source"], line["destination"]
            a, b = boxes[numbers[source]], boxes[numbers[target]]
            assert outlet < a["numoutlets"] == len(a["outlettype"]) and inlet < b["numinlets"]
            cords.append((numbers[source], outlet, numbers[target], inlet))
        assert cords == patcher.cords
        for number, inside in patcher.inside.items():
            same(inside, boxes[number]["patcher"])

    for patcher in described(patch, clients, "max"):
        text = (clients / "max" / f"{patcher.name}.maxpat").read_text()
        same(patcher, json.loads(text)["patcher"])
        ElementTree.fromstring((clients / "max" / f"{patcher.name}.svg").read_text())
        for script in re.findall(r"(?:v8|js|node\.script) (\S+\.js)", text):
            assert (clients / "max" / script).is_file()


@pytest.mark.parametrize("kind", ["max", "pd"])
def test_nothing_is_sent_that_nobody_receives(patch, clients, kind):
    """Every name that is sent to is received somewhere, and the other way round, but for those meant for other patches."""
    for main in described(patch, clients, kind):
        boxes = [box for patcher in (main, *main.inside.values()) for box in patcher.boxes]
        words = [box.text.split() for box in boxes]
        controls = {w[3] if w[0].endswith("atom") else w[2] for w in words if w[0] in {*patch.CONTROLS, *patch.PD_ATOMS}}
        told = {name for box in boxes if box.kind == "message" for name in re.findall(r";\s*(\S+)", box.text)}
        defined = {w[2] for w in words if w[:2] == ["array", "define"]}
        sent = {w[1] for w in words if w[0] == "s"} | told | controls
        received = {w[1] for w in words if w[0] == "r"} | controls | defined
        assert sent - received <= {"pd"}
        assert received - sent - defined <= {"acc-server", "acc-chord", "acc-on-bass", "acc-record-as"} | controls


@pytest.mark.parametrize("kind", ["max", "pd"])
def test_every_object_that_works_on_sound_gets_some(patch, clients, kind):
    sources = {"adc~", "buffer~", "catch~", "count~", "dspstate~", "samplerate~", "sig~", "tabplay~"}
    for main in described(patch, clients, kind):
        for patcher in (main, *main.inside.values()):
            fed = {target for source, _, target, _ in patcher.cords if patcher.boxes[source].head.endswith("~")}
            for number, box in enumerate(patcher.boxes):
                if box.head.endswith("~") and box.head not in sources and (kind, box.head) != ("max", "ezdac~"):
                    assert number in fed, box.text


def test_what_is_read_is_what_was_written(patch):
    patcher = patch.read(GOOD)
    assert [box.text for box in patcher.boxes] == [
        "say hello",
        "toggle",
        "t b b",
        "print second",
        "print first",
        "hello $1",
    ]
    assert patcher.cords == [(1, 0, 2, 0), (2, 1, 3, 0), (2, 0, 4, 0)]
    assert "#X connect 2 1 3 0;" in patch.to_pd(patcher) and "\\$1" in patch.to_pd(patcher)
    assert len(json.loads(patch.to_maxpat(patcher))["patcher"]["boxes"]) == 6


@pytest.mark.parametrize(
    "line, words",
    [
        ("each.0 -> (print third)", "leads to 2 places"),
        ("nobody -> (print x)", "no box called nobody"),
        ("go: bang", "two boxes called go"),
        ("each.7 -> 3.m", "no cord from 7"),
        ("x: violin~", "how many inlets"),
        ("?", "cannot read"),
    ],
)
def test_a_description_that_makes_no_patch_is_refused(patch, line, words):
    with pytest.raises(patch.DescriptionError, match=words):
        patch.to_maxpat(patch.read(GOOD + line + "\n"))


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed: apt-get install nodejs")
@pytest.mark.parametrize(
    "message, golden",
    [
        (["/w", "d", [1]], "2f7700002c6400003ff0000000000000"),
        (["/predict_instruments", "iiii", [1, 0, 0, 1]], None),
        (["/hello", "iis", [44100, 264600, "max"]], None),
        (["/load_model", "", []], "2f6c6f61645f6d6f64656c002c000000"),
        (["/ready", "T", [1]], "2f72656164790000" + "2c540000"),
    ],
)
def test_the_words_of_the_max_patch_are_osc(clients, message, golden):
    from accomp.server.protocol import parse_request

    script = f"const o=require('./accomp-osc.js');const b=o.pack(...{json.dumps(message)});"
    script += "const m=o.parse(b);console.log(b.toString('hex'));console.log(JSON.stringify(m))"
    done = subprocess.run(["node", "-e", script], cwd=clients / "max", capture_output=True, text=True, check=True)
    data, parsed = done.stdout.split("\n", 1)
    assert golden in (None, data) and json.loads(parsed) == dict(zip(("address", "tags", "args"), message, strict=True))
    if message[0] != "/ready":
        parse_request(bytes.fromhex(data))


def test_the_launcher_of_the_external_starts_the_server(clients):
    done = subprocess.run([sys.executable, "server.py", "--serverport", "7000", "--clientport", "99999"],
                          cwd=clients / "max", capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 2 and done.stderr == "error: --clientport 99999 is no UDP port; choose one from 1 to 65535\n"
