"""What produced a result: the commit, the resolved configuration, and the code that decides a sound or a score."""

import ast
import subprocess
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from accomp.disk import write_text


def write_provenance(folder: Path, config: DictConfig, root: Path) -> None:
    """`config.yaml`, resolved, with the commit it ran at in a comment on top."""
    write_text(folder / "config.yaml", f"# code: {git_hash(root)}\n{OmegaConf.to_yaml(config, resolve=True)}")


def git_hash(root: Path) -> str:
    """The commit of a working tree, `+changes` when it holds others; `unknown` outside of version control."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + "+changes" * bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def code_hash(*names: str) -> str:
    """16 hexadecimal digits that change with the code of these modules, or of a module of accomp that they import.

    Comments, docstrings and layout do not count.
    """
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and _source(name) is not None:
            found.add(name)
            pending += _imports(name)
    return sha256("".join(f"{name} {_meaning(name)}" for name in sorted(found)).encode()).hexdigest()[:16]


@cache
def _source(name: str) -> str | None:
    """The text of a module, None when there is no such module (the name is that of a class or function in one)."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin).read_text("utf-8") if spec and spec.origin else None


@cache
def _imports(name: str) -> tuple[str, ...]:
    """The names that could be modules of accomp in the import statements of a module, wherever they stand."""
    found: list[str] = []
    for node in ast.walk(ast.parse(_source(name))):
        if isinstance(node, ast.ImportFrom):
            found += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return tuple(other for other in found if other.split(".")[0] == "accomp")


@cache
def _meaning(name: str) -> str:
    tree = ast.parse(_source(name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)
