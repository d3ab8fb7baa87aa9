"""Digests of code by what it says: the syntax trees of a module and of what it imports, without comments or docstrings.

What is drawn depends on the digest of the code that draws it, so that an edit redraws it and a comment does not.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from selectimprove.experiment.experiment import PACKAGE

SOURCE = PACKAGE.parent


def parse_module(module: str, source: Path = SOURCE) -> ast.Module:
    """Return the syntax tree of a module of the package, named in full with dots; source: the package's parent."""
    return ast.parse(find_file(module, source).read_text(encoding="utf-8"))


def find_file(module: str, source: Path = SOURCE) -> Path:
    """Return the file of a module; of a package its __init__.py."""
    path = source.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def list_imports(module: str, source: Path = SOURCE) -> tuple[str, ...]:
    """Return the modules of the package that a module imports, inside functions too; relative imports are not used."""
    found: dict[str, None] = {}
    for node in ast.walk(parse_module(module, source)):
        if isinstance(node, ast.Import):
            found.update(dict.fromkeys(alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE.name))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found[submodule if find_file(submodule, source).is_file() else node.module] = None
    return tuple(found)


def list_code(*modules: str, rooms: tuple[str, ...], source: Path = SOURCE) -> list[str]:
    """Return the modules and all that they import, directly or not, from these rooms of the package; sorted."""
    kept: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in kept:
            kept.add(module)
            waiting += [name for name in list_imports(module, source) if name.split(".")[1] in rooms]
    return sorted(kept)


def describe_tree(node: ast.AST) -> Iterator[str]:
    """Yield the words of a syntax tree, docstrings aside; the same for every version of Python.

    Fields that are empty are left out, since newer versions have more of them.
    """
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
        if value is None or value == []:
            continue
        yield f"({name}"
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, ast.AST):
                yield from describe_tree(entry)
            else:
                yield repr(entry)
        yield ")"


@functools.cache
def digest_module(module: str, source: Path = SOURCE) -> str:
    """Return the SHA-256 over a module's syntax tree."""
    return hashlib.sha256(" ".join(describe_tree(parse_module(module, source))).encode()).hexdigest()


def digest_code(*modules: str, rooms: tuple[str, ...], source: Path = SOURCE) -> str:
    """Return the SHA-256 over the syntax trees of the modules and of all that they import from these rooms."""
    names = list_code(*modules, rooms=rooms, source=source)
    lines = [f"{name} {digest_module(name, source)}" for name in names]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
