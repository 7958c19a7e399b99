"""How the package is built: the order of its layers, no cycles, and the sizes that it keeps to."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the lowest up; a module imports only what stands below it, and its own package. A module that is not named stands
# right above the highest that it imports.
LAYERS = (
    ("errors",),
    ("timeline", "disk"),
    ("audio", "window"),
    ("beat", "codec"),
    ("diffusion",),
    ("model",),
    ("stream", "training_run"),
    ("data", "metrics"),
    ("server", "lit", "paper_checkpoint"),
    ("evaluation", "export"),
)
LONGEST_FILE, LONGEST_FUNCTION, PACKAGE = 300, 50, 11_500  # lines
REPEATED = 10  # lines that may not stand twice
# Modules that a program of each kind may not load: playing needs no trainer, and the wire needs no network.
SERVING = ("lightning", "hydra", "wandb", "accomp.lit", "accomp.evaluation", "accomp.data", "accomp.metrics")
WIRE = (*SERVING, "torch")
WIRE_MODULES = ("endpoint", "state", "worker", "record")  # of accomp.server, that serve.py loads before the network


def module_files() -> dict[str, Path]:
    files = sorted((ROOT / "accomp").rglob("*.py"))
    return {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


FILES = module_files()


def imports(tree: ast.Module) -> set[str]:
    """The package's modules that a module imports, anywhere in it but for type checking alone."""
    for_types = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found = set()
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & FILES.keys()) or {node.module}
    return found & FILES.keys()


GRAPH = {name: imports(ast.parse(file.read_text())) for name, file in FILES.items()}


def part(module: str) -> str:
    """The package or module right below `accomp`."""
    return module.split(".")[1] if "." in module else ""


def layer(module: str) -> float:
    """Its place in LAYERS; of a module that is not named, half a step above the highest that it leads to."""
    named = [i for i, names in enumerate(LAYERS) if part(module) in names]
    return named[0] if named else max((layer(other) for other in GRAPH[module]), default=-1.0) + 0.5


def reached(module: str) -> set[str]:
    """All modules that importing this one can lead to."""
    seen, new = set(), set(GRAPH[module])
    while new:
        seen |= new
        new = set().union(*(GRAPH[name] for name in new)) - seen
    return seen


def test_every_layer_has_modules():
    parts = {part(name) for name in FILES}
    assert [name for names in LAYERS for name in names if name not in parts] == []


def test_no_layer_imports_a_higher_one():
    wrong = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if part(name) != part(other) and layer(other) >= layer(name)
    ]
    assert not wrong


def test_no_module_imports_itself_by_way_of_others():
    assert [name for name in FILES if name in reached(name)] == []


def long_files() -> list[str]:
    return [f"{f.relative_to(ROOT)}: {n}" for f in FILES.values() if (n := len(lines(f))) > LONGEST_FILE]


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def long_functions() -> Iterator[str]:
    for file in FILES.values():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    yield f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {length}"


def repeated_lines() -> list[list[str]]:
    """Places where the same lines stand, empty ones left out, indentation aside."""
    places = defaultdict(list)
    for file in FILES.values():
        numbered = [(i, line.strip()) for i, line in enumerate(lines(file), 1) if line.strip()]
        for at in range(len(numbered) - REPEATED + 1):
            run = numbered[at : at + REPEATED]
            places[tuple(line for _, line in run)].append(f"{file.relative_to(ROOT)}:{run[0][0]}")
    return [found for found in places.values() if len(found) > 1]


def test_no_file_is_longer_than_300_lines():
    assert long_files() == []


def test_no_function_is_longer_than_50_lines():
    assert list(long_functions()) == []


def test_no_ten_lines_stand_twice():
    assert repeated_lines() == []


@pytest.mark.xfail(strict=True, reason="not there yet")
def test_the_package_has_at_most_11_500_lines():
    assert sum(len(lines(file)) for file in FILES.values()) <= PACKAGE


def loaded(statement: str) -> tuple[float, set[str]]:
    """Processor seconds that the statement takes in a fresh Python, and the modules that it loads."""
    code = f"import sys, time; began = time.process_time(); {statement}; print(time.process_time() - began, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, *modules = done.stdout.split()
    return float(seconds), set(modules)


def unwanted(modules: set[str], names: tuple[str, ...]) -> list[str]:
    return sorted(m for m in modules if any(m == name or m.startswith(f"{name}.") for name in names))


def test_the_wire_is_loaded_without_a_network():
    """Before the port is open and the network loads: no torch, and half a second at the most."""
    statement = f"import serve; from accomp.server import {', '.join(WIRE_MODULES)}"
    seconds, modules = min((loaded(statement) for _ in range(3)), key=lambda found: found[0])
    assert unwanted(modules, WIRE) == []
    assert seconds < 0.5


@pytest.mark.parametrize("module", ["accomp.server.models", "accomp.model"])
def test_playing_needs_no_trainer(module):
    _, modules = loaded(f"import serve, {module}")
    assert module in modules and unwanted(modules, SERVING) == []
