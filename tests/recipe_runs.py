"""Ways to run a recipe in a test."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def run(recipe: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """Runs it as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / "recipes" / recipe), *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **environment},
        cwd=environment.get("CWD", ROOT),
    )


def loaded_recipe(monkeypatch, name: str, *arguments: object) -> ModuleType:
    """A recipe in this process, which has loaded the backend, with a command line."""
    spec = importlib.util.spec_from_file_location("recipe", ROOT / "recipes" / name)
    recipe = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(ROOT / "recipes")  # as where it is run
    spec.loader.exec_module(recipe)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    return recipe


def recipe_main(monkeypatch, name: str, *arguments: object) -> None:
    loaded_recipe(monkeypatch, name, *arguments).main()
