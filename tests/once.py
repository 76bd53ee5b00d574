"""Which tests no backend can change: they carry the mark `once`, and run beside one backend.

A test file that uses nothing but rooms without Keras (`tests/test_imports.py` holds those to it) is
marked as it is collected, and so is a docstring's example. Where this cannot tell, because another
process runs or an example of a page, and where a test does use Keras but no backend can change what
comes of it, it is marked by hand: `pytestmark = pytest.mark.once`.
"""

import ast
import doctest
from functools import cache
from pathlib import Path

import pytest

import kbert
from tests.test_imports import BACKENDS, MODULES, dotted, has_keras, imports, room

ROOT = Path(__file__).parents[1]
# What runs code that is not in the file.
ELSEWHERE = {"doctest", "importlib", "multiprocessing", "runpy", "subprocess"}
NEEDS_BACKEND = {*BACKENDS, *ELSEWHERE, "keras_hub", "tensorflow_text", "recipes", "demos"}


def module_has_keras(module: str) -> bool:
    """kbert.models.bert -> True; a public name, kbert.Bert, goes by its home."""
    first, _, rest = module.removeprefix("kbert.").partition(".")
    if f"kbert.{first}" not in MODULES and first in kbert._HOME:
        first, rest = kbert._HOME[first], ""
    return has_keras(room(f"kbert.{first}.{rest}".rstrip(".")))


def used(source: str) -> set[str]:
    """All modules and public names of kbert that a source uses."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module="kbert", names=names):
                found |= {f"kbert.{alias.name}" for alias in names}
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("tests"):
                found |= {f"{module}.{alias.name}" for alias in names}
            case ast.Attribute(value=ast.Name("kbert"), attr=name):
                found.add(f"kbert.{name}")
            case ast.Call(func=ast.Attribute(attr="importorskip"), args=[ast.Constant(name), *_]):
                found.add(str(name))
    return found | {name for _, name in imports(source) if name != "kbert"}


@cache
def needs_backend(source: str) -> bool:
    """Whether what a source runs may depend on the backend, as far as its imports tell."""
    return any(map(brings_backend, used(source)))


def brings_backend(name: str) -> bool:
    """Whether a module, or what it imports in turn, is one that may load a backend."""
    top = name.partition(".")[0]
    if name in NEEDS_BACKEND or top in NEEDS_BACKEND:
        return True
    if top == "tests":
        return name != "tests.once" and any(map(needs_backend, helpers(name)))
    return top == "kbert" and module_has_keras(name)


def helpers(module: str) -> list[str]:
    """The source of a helper among the tests, tests.formats.judge; none of what is no file."""
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return [file.read_text(encoding="utf-8")] if file.is_file() else []


def is_once(item: pytest.Item) -> bool:
    """Whether no backend can change a test that was collected, by what it and its file import."""
    if isinstance(example := getattr(item, "dtest", None), doctest.DocTest):
        source = "".join(each.source for each in example.examples)
        return not module_has_keras(dotted(item.path)) and not needs_backend(source)
    return not needs_backend(item.path.read_text(encoding="utf-8"))


def mark(items: list[pytest.Item]) -> None:
    """Gives the mark to those that are to have it."""
    for item in items:
        if is_once(item):
            item.add_marker("once")
