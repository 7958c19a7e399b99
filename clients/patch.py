"""Builds the Pure Data and Max patches from the descriptions beside them, checks them, and draws them.

    python clients/patch.py            # writes pd/*.pd, max/*.maxpat and max/*.svg
    python clients/patch.py --check    # exit 1 if a file is not what its description says

A description reads like the patch, top to bottom:

    patch NAME WIDTH HEIGHT            the window
    [NAME] what it is for              what follows is the subpatch NAME
    -- text                            a comment in the patch
    a: metro 100 -> b: t b b           object a, object b under it, a cord between them
    b.1 -> (print) ; b -> 1.a          cords: OUTLET after a name, INLET before it; (an object without a name)
    m= hello $1                        a message box
    start: tgl Play x-play @ 20 40     Pd's own controls: label, and the name they send to and receive from; a place

An empty line begins a new column. An outlet that carries messages leads to one place only: where the order matters a
`t` (trigger) says it, so that a patch means the same however it is drawn.
"""

import argparse
import html
import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMN, ROW, LEFT, TOP = 250, 27, 20, 50  # pixels, of what has no place of its own
KEPT = re.compile(r"(?P<inlet>\d+)?\.?(?P<name>[a-z]\w*)(?:\.(?P<outlet>\d+))?$")
BORN = re.compile(r"(?:(?P<inlet>\d+)\.)?(?:(?P<name>[a-z]\w*)(?P<kind>[:=]) |\()(?P<text>.+?)(?P<place> @ \d+ \d+)?$")


class DescriptionError(ValueError):
    """A description that makes no patch: which line, and why."""


@dataclass
class Box:
    """One object, message or comment of a patch."""

    kind: str  # "object", "message", "comment", "patcher"
    text: str
    x: int
    y: int

    @property
    def head(self) -> str:
        return self.text.split()[0] if self.kind == "object" else self.kind


@dataclass
class Patcher:
    """A window full of boxes; cords are (box, outlet, box, inlet), by index. `inside` holds the subpatches by box."""

    name: str
    title: str = ""
    size: tuple[int, int] = (900, 600)
    boxes: list[Box] = field(default_factory=list)
    cords: list[tuple[int, int, int, int]] = field(default_factory=list)
    inside: dict[int, "Patcher"] = field(default_factory=dict)


def read(text: str) -> Patcher:
    """A description -> its patch. Raises DescriptionError, which names the line."""
    first, *lines = text.splitlines()
    word, name, wide, high = first.split()
    if word != "patch":
        raise DescriptionError("line 1: begin with `patch NAME WIDTH HEIGHT`")
    main = patcher = Patcher(name, size=(int(wide), int(high)))
    named: dict[str, int] = {}
    x, y = LEFT, TOP
    for number, line in enumerate(lines, 2):
        line = line.strip()
        try:
            if not line:
                if y > TOP:
                    x, y = x + COLUMN, TOP
            elif line.startswith("["):
                name, title = line[1:].split("]", 1)
                patcher, named, x, y = Patcher(name, title.strip()), {}, LEFT, TOP
                place = len(main.inside)
                main.boxes.append(Box("patcher", name, LEFT + 85 * place, main.size[1] - 40))
                main.inside[len(main.boxes) - 1] = patcher
                patcher.boxes.append(Box("comment", patcher.title, LEFT, 15))
            elif line.startswith("-- "):
                said, _, place = line[3:].partition(" @ ")
                at = tuple(map(int, place.split())) if place else (x, y)
                patcher.boxes.append(Box("comment", said, *at))
                y += 0 if place else ROW
            else:
                for chain in re.split(r"\s+;\s+", line):
                    y = _chain(patcher, named, chain, x, y)
        except (DescriptionError, ValueError) as error:
            raise DescriptionError(f"line {number}: {error}") from error
    for each in (main, *main.inside.values()):
        _check(each)
    return main


def _chain(patcher: Patcher, named: dict[str, int], chain: str, x: int, y: int) -> int:
    """Add one chain of boxes and cords; the height below it."""
    before: tuple[int, int] | None = None
    for part in re.split(r"\s+->\s+", chain):
        if born := BORN.match(part):
            text, outlet = born["text"], 0
            if not born["name"]:
                text, _, tail = text.rpartition(")")
                outlet = int(tail[1:] or 0) if tail.startswith(".") else 0
            elif born["name"] in named:
                raise DescriptionError(f"two boxes called {born['name']}")
            at = tuple(map(int, born["place"].split()[1:])) if born["place"] else (x, y)
            y += 0 if born["place"] else ROW
            patcher.boxes.append(Box("message" if born["kind"] == "=" else "object", text, *at))
            index, inlet = len(patcher.boxes) - 1, int(born["inlet"] or 0)
            if born["name"]:
                named[born["name"]] = index
        elif kept := KEPT.match(part):
            if kept["name"] not in named:
                raise DescriptionError(f"no box called {kept['name']} above")
            index, inlet, outlet = named[kept["name"]], int(kept["inlet"] or 0), int(kept["outlet"] or 0)
        else:
            raise DescriptionError(f"cannot read {part!r}")
        if before:
            patcher.cords.append((*before, index, inlet))
        before = (index, outlet)
    return y


def _check(patcher: Patcher) -> None:
    """No cord twice, and no outlet of messages that leads to two places."""
    for (index, outlet), count in Counter(cord[:2] for cord in patcher.cords).items():
        box = patcher.boxes[index]
        if count > 1 and not box.head.endswith("~"):
            raise DescriptionError(f"[{patcher.name}] outlet {outlet} of {box.text!r} leads to {count} places: use t")
    if len(set(patcher.cords)) < len(patcher.cords):
        raise DescriptionError(f"[{patcher.name}] the same cord twice")


# ----------------------------------------------------------------------------------------------------- Pure Data

CONTROLS = {  # label, name -> the arguments that Pd wants
    "tgl": "tgl 19 0 {0} {0} {1} 24 9 0 12 #fcfcfc #000000 #000000 0 1",
    "bng": "bng 19 250 50 0 {0} {0} {1} 24 9 0 12 #fcfcfc #000000 #000000",
    "hradio": "hradio 19 1 0 {2} {0} {0} {1} 0 -11 0 12 #fcfcfc #000000 #000000 0",
    "hsl": "hsl 150 15 0 1 0 0 {0} {0} {1} 4 -9 0 12 #fcfcfc #000000 #000000 0 1",
    "nbx": "nbx 7 17 -1e+37 1e+37 0 0 {0} {0} {1} 92 9 0 12 #fcfcfc #000000 #000000 0 256",
}
PD_ATOMS = {"symbolatom", "floatatom"}  # WIDTH label name


def _pd_escape(text: str) -> str:
    return re.sub(r"(?<!\\)([;,$])", r"\\\1", text)


def _pd_apart(text: str) -> str:
    """For messages and comments: Pd wants ; and , as words of their own."""
    return _pd_escape(re.sub(r"\s*\\?([;,])", r" \\\1", text).lstrip())


def _pd_label(text: str) -> str:
    return text.replace("_", "\\ ")


def _pd_box(box: Box) -> str:
    at = f"{box.x} {box.y}"
    if box.kind == "comment":
        return f"#X text {at} {_pd_apart(box.text)}, f {max(20, len(box.text) + 2)};"
    if box.kind == "message":
        return f"#X msg {at} {_pd_apart(box.text)};"
    if box.head in CONTROLS:
        _, label, name, *more = box.text.split()
        return f"#X obj {at} {CONTROLS[box.head].format(name, _pd_label(label), *more)};"
    if box.head in PD_ATOMS:
        _, width, label, name = box.text.split()
        return f"#X {box.head} {at} {width} 0 0 1 {_pd_label(label)} {name} - 0;"
    return f"#X obj {at} {_pd_escape(box.text)};"


def to_pd(patcher: Patcher, depth: int = 0) -> str:
    """A patch as Pd's own file."""
    lines = [f"#N canvas 60 60 {patcher.size[0]} {patcher.size[1]}" + (f" {patcher.name} 0;" if depth else " 12;")]
    for index, box in enumerate(patcher.boxes):
        if index in patcher.inside:
            lines += [
                to_pd(patcher.inside[index], depth + 1).rstrip("\n"),
                f"#X restore {box.x} {box.y} pd {box.text};",
            ]
        else:
            lines.append(_pd_box(box))
    lines += [f"#X connect {a} {o} {b} {i};" for a, o, b, i in patcher.cords]
    return "\n".join(lines) + "\n"


# ----------------------------------------------------------------------------------------------------------- Max

MAX_CONTROLS = {"toggle": (24, 24), "button": (24, 24), "umenu": (90, 22), "number": (60, 22), "flonum": (60, 22),
                "ezdac~": (45, 45)}  # fmt: skip
MAX_PORTS = {  # inlets, outlets; "n" for as many as arguments
    "toggle": (1, 1), "button": (1, 1), "umenu": (1, 3), "number": (1, 2), "flonum": (1, 2), "ezdac~": (2, 0),
    "message": (2, 1), "comment": (1, 0), "patcher": (0, 0), "t": (1, "n"), "s": (1, 0), "r": (0, 1), "print": (1, 0),
    "prepend": (1, 1), "pack": ("n", 1), "unpack": (1, "n"), "route": (1, "n+1"), "sel": (1, "n+1"), "change": (1, 3),
    "delay": (2, 1), "metro": (2, 1), "loadbang": (1, 1), "loadmess": (1, 1), "transport": (2, 9), "expr": ("$", 1),
    "*": (2, 1), "-": (2, 1), "!=": (2, 1), "buffer~": (1, 2), "v8": (1, 2), "node.script": (1, 2), "count~": (2, 1),
    "snapshot~": (2, 1), "sig~": (1, 1), "index~": (2, 1), "poke~": (3, 0), "adc~": (1, "n"), "dac~": ("n", 0),
    "+~": (2, 1), "*~": (2, 1), "%~": (2, 1), "dspstate~": (1, 4), "multi_track": (1, 1),
}  # fmt: skip


def max_ports(box: Box) -> tuple[int, int]:
    """How many inlets and outlets Max gives to an object. Raises DescriptionError for one that is not known here."""
    if box.head not in MAX_PORTS:
        raise DescriptionError(f"how many inlets and outlets has {box.head!r}? Add it to MAX_PORTS")
    count = len([word for word in box.text.split()[1:] if not word.startswith("@")])
    inputs = max(map(int, re.findall(r"\$[if](\d)", box.text)), default=1)
    amount = {"n": count, "n+1": count + 1, "$": inputs}
    return tuple(amount.get(ports, ports) for ports in MAX_PORTS[box.head])


def check_max(patcher: Patcher) -> None:
    """Every cord begins at an outlet and ends at an inlet that is there."""
    for source, outlet, target, inlet in patcher.cords:
        a, b = patcher.boxes[source], patcher.boxes[target]
        if outlet >= max_ports(a)[1] or inlet >= max_ports(b)[0]:
            raise DescriptionError(f"[{patcher.name}] no cord from {outlet} of {a.text!r} to {inlet} of {b.text!r}")
    for inside in patcher.inside.values():
        check_max(inside)


def _max_size(box: Box) -> tuple[float, float]:
    return MAX_CONTROLS.get(box.head, (max(40, 7.0 * len(box.text) + 14), 22))


def _max_box(patcher: Patcher, index: int) -> dict:
    box = patcher.boxes[index]
    inlets, outlets = max_ports(box)
    wide, high = _max_size(box)
    known = {"id": f"obj-{index + 1}", "numinlets": inlets, "numoutlets": outlets,
             "patching_rect": [float(box.x), float(box.y), float(wide), float(high)]}  # fmt: skip
    if outlets:
        known["outlettype"] = ["signal" if box.head.endswith("~") and box.head != "snapshot~" else ""] * outlets
    if index in patcher.inside:
        return known | {"maxclass": "newobj", "text": f"p {box.text}", "patcher": _max_patcher(patcher.inside[index])}
    if box.head == "umenu":
        items = [part for word in box.text.split()[1:] for part in (word, ",")][:-1]
        return known | {"maxclass": "umenu", "items": items}
    if box.head in MAX_CONTROLS:
        return known | {"maxclass": box.head}
    return known | {"maxclass": box.kind if box.kind != "object" else "newobj", "text": box.text}


def _max_patcher(patcher: Patcher) -> dict:
    lines = [{"patchline": {"source": [f"obj-{a + 1}", o], "destination": [f"obj-{b + 1}", i]}}
             for a, o, b, i in patcher.cords]  # fmt: skip
    version = {"major": 9, "minor": 0, "revision": 0, "architecture": "x64", "modernui": 1}
    return {
        "fileversion": 1,
        "appversion": version,
        "classnamespace": "box",
        "rect": [80.0, 80.0, float(patcher.size[0]), float(patcher.size[1])],
        "boxes": [{"box": _max_box(patcher, index)} for index in range(len(patcher.boxes))],
        "lines": lines,
    }


def to_maxpat(patcher: Patcher) -> str:
    """A patch as Max's own file."""
    check_max(patcher)
    return json.dumps({"patcher": _max_patcher(patcher)}, indent=1) + "\n"


def to_svg(main: Patcher) -> str:
    """The same boxes and cords as a drawing: the front, and the subpatches under it."""
    parts, top, widest = [], 0, 0
    for patcher in (main, *main.inside.values()):
        ends = [(b.x + _max_size(b)[0], b.y + _max_size(b)[1]) for b in patcher.boxes]
        wide, high = max(x for x, _ in ends) + 20, max(y for _, y in ends) + 20
        parts.append(f'<g transform="translate(0 {top})">{"".join(_drawn(patcher))}</g>')
        top, widest = top + int(high), max(widest, int(wide))
    style = (
        "rect{fill:#fff;stroke:#566}.message rect{fill:#e6e9ee;rx:5}.control rect{fill:#ffe9b8}"
        ".patcher rect{fill:#dcebdc}text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1d2126}"
        ".comment text{fill:#667;font-family:system-ui,sans-serif}path{fill:none;stroke:#8a93a0;stroke-width:1.2}"
        ".sound{stroke:#c2562d;stroke-dasharray:5 2}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {widest} {top}" role="img" aria-label="the patch '
        f'{main.name}"><style>{style}</style><rect width="{widest}" height="{top}" style="fill:#fbfaf7;stroke:none"/>'
        + "\n".join(parts)
        + "</svg>\n"
    )


def _drawn(patcher: Patcher) -> list[str]:
    def port(index: int, number: int, side: int) -> tuple[float, float]:
        box = patcher.boxes[index]
        wide, high = _max_size(box)
        count = max_ports(box)[side]
        return box.x + 6 + (wide - 12) * (number / (count - 1) if count > 1 else 0), box.y + side * high

    drawn = []
    for a, o, b, i in patcher.cords:
        (x, y), (u, v) = port(a, o, 1), port(b, i, 0)
        bend = max(12.0, abs(v - y) / 2)
        sound = ' class="sound"' if _max_box(patcher, a)["outlettype"][o] == "signal" else ""
        drawn.append(f'<path{sound} d="M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {u:.0f} {v - bend:.0f} {u:.0f} {v:.0f}"/>')
    for index, box in enumerate(patcher.boxes):
        wide, high = _max_size(box)
        kind = "control" if box.head in MAX_CONTROLS else box.kind
        words = box.text if kind != "control" or box.head == "umenu" else {"ezdac~": "dac"}.get(box.head, "")
        words = html.escape(f"p {words}" if index in patcher.inside else words[6:17] if box.head == "umenu" else words)
        frame = "" if kind == "comment" else f'<rect x="{box.x}" y="{box.y}" width="{wide:.0f}" height="{high:.0f}"/>'
        drawn.append(f'<g class="{kind}">{frame}<text x="{box.x + 6}" y="{box.y + 15}">{words}</text></g>')
    return drawn


# --------------------------------------------------------------------------------------------------------- files


def outputs(folder: Path) -> dict[Path, str]:
    """Every file that the descriptions make, and what it should hold."""
    files = {}
    for source in sorted((folder / "pd").glob("*.txt")):
        patcher = read(source.read_text(encoding="utf-8"))
        files[source.with_name(f"{patcher.name}.pd")] = to_pd(patcher)
    for source in sorted((folder / "max").glob("*.txt")):
        patcher = read(source.read_text(encoding="utf-8"))
        files[source.with_name(f"{patcher.name}.maxpat")] = to_maxpat(patcher)
        files[source.with_name(f"{patcher.name}.svg")] = to_svg(patcher)
    return files


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    args = parser.parse_args(argv)
    for path, text in outputs(HERE).items():
        if args.check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            sys.stderr.write(f"error: {path} is out of date; run python clients/patch.py\n")
            return 1
        if not args.check:
            temporary = path.with_name(f".{path.name}")
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
