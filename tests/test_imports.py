"""What may import what, read from the imports themselves; and what `import kbert` loads."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kbert

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kbert"
FILES = sorted(PACKAGE.rglob("*.py"))

# A room is a folder of kbert/, or a file that has a line of its own here. A module may import its
# own room, EVERYWHERE's, and what its line names: a name means that room with all rooms within it,
# but not of the folder that the module is in: there "text" means the files right under text/.
EVERYWHERE = {"catalog", "errors", "files", "labels", "sizes", "version"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "labels": set(),
    "version": set(),
    "catalog": set(),
    "files": {"errors"},
    "sizes": {"errors"},
    "backend": set(),
    "runs": set(),
    "text": set(),
    "text.korean": set(),
    "text.encoding": {"text", "text.korean"},
    "text.files": {"text", "text.korean"},
    "text.learning": {"text", "text.korean", "text.encoding"},
    "text.tokenizer": {"text", "text.korean", "text.encoding", "text.files", "text.learning"},
    "text.reports": {"text", "text.tokenizer"},
    "data": set(),
    "data.corpus": {"text", "data.labelled"},
    "data.shards": {"text", "data.corpus"},
    "data.pretraining": {"text", "data.corpus", "data.shards"},
    "data.pretraining.batches": {"backend", "text", "data.shards", "data.pretraining"},
    "data.pretraining.heldout": {
        "text",
        "data.corpus",
        "data.shards",
        "data.pretraining",
        "data.pretraining.batches",
    },
    "data.labelled": {"text"},
    "data.labelled.batches": {"backend", "text", "data.labelled"},
    "tasks": {"text", "data.labelled"},
    "layers": {"backend", "layers.calling", "layers.dropout", "layers.kernels"},
    "layers.calling": set(),
    "layers.dropout": set(),
    "layers.kernels": {"layers.calling", "layers.dropout"},
    "models": {"backend", "text", "layers"},
    "training": {"backend", "runs"},
    "compression": {"backend", "layers", "models", "training"},
    "formats": {"backend", "text", "layers", "models", "pretrained"},
    "search": set(),
    "pipelines": {"backend", "text", "models", "search"},
    "explain": {"text", "models", "data.pretraining"},
    "evaluation": {"backend", "text", "data", "tasks", "models", "training", "pipelines"},
    "pretrained": set(),
    "__main__": {"formats", "runs"},
}
WITH_KERAS = {
    "data.pretraining.batches",
    "data.pretraining.heldout",
    "data.labelled.batches",
    "layers",
    "models",
    "training",
    "compression",
    "formats",
    "pipelines",
    "explain",
    "evaluation",
    "__main__",
}
BATCHES = "kbert.data.pretraining.batches"
BACKENDS = {"keras", "tensorflow", "jax", "torch"}
OUTSIDE = {"recipes", "demos", "notebooks", "benchmarks", "tests"}

# `import kbert` was measured to load 45 modules beside a bare interpreter's (Python 3.11): json,
# pathlib, importlib.util and what they need.
MOST_MODULES = 60


def dotted(path: Path) -> str:
    """kbert/text/tokenizer.py -> kbert.text.tokenizer."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path) for path in FILES}


def rooms_around(module: str) -> list[str]:
    """kbert.text.tokenizer -> [text, text.tokenizer]: the outermost first."""
    parts = module.removeprefix("kbert.").split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def room(module: str) -> str:
    """kbert.text.tokenizer -> text: the innermost that has a line."""
    around = rooms_around(module)
    return next((each for each in reversed(around) if each in MAY_IMPORT), around[0])


def may_import(here: str, target: str) -> bool:
    """Whether a module of the room may import the module."""
    there = room(target)
    allowed = MAY_IMPORT[here] | (EVERYWHERE - {here} if here not in EVERYWHERE else set())
    around = {each for each in rooms_around(there) if not f"{here}.".startswith(f"{each}.")}
    return there == here or there in allowed or bool(around & allowed)


def has_keras(room: str) -> bool:
    """Whether a room, or one that it is in, is one of those with Keras."""
    return any(each in WITH_KERAS for each in rooms_around(room))


def imports(source: str) -> list[tuple[int, str]]:
    """Every (line, module) that a source imports, anywhere in it, by full name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = "." * node.level + (node.module or "")
            for alias in node.names:  # `from kbert.data import batches` imports a module, too
                inner = f"{whole}.{alias.name}"
                found.append((node.lineno, inner if inner in MODULES else whole))
    return found


def violations(module: str, source: str) -> list[str]:
    """The imports of a module of kbert that it may not have."""
    here, problems = room(module), []
    if here not in MAY_IMPORT:
        return [f"{module}: write into MAY_IMPORT what the new room {here!r} may import"]
    for line, target in imports(source):
        top = target.split(".")[0]
        if not top:
            problems.append(f"{module}, line {line}: import by the full name, not {target!r}")
        elif target == "kbert" and here == "__main__":
            continue  # the command shows what the package has
        elif target == "kbert":
            problems.append(f"{module}, line {line}: import from the module that has the name")
        elif top == "kbert" and not may_import(here, target):
            problems.append(f"{module}, line {line}: {here} may not import {target}")
        elif top in OUTSIDE:
            problems.append(f"{module}, line {line}: kbert may not import {target}")
        elif top == "kbert" and has_keras(room(target)) and not has_keras(here):
            problems.append(f"{module}, line {line}: {here} has no Keras, but {target} has")
        elif top in BACKENDS and not has_keras(here):
            problems.append(f"{module}, line {line}: {here} imports no Keras, but {target}")
    return problems


@pytest.mark.parametrize("path", [f for f in FILES if f != PACKAGE / "__init__.py"], ids=dotted)
def test_imports_go_one_way(path):
    problems = violations(dotted(path), path.read_text(encoding="utf-8"))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("kbert.text.tokenizer", "import keras", "imports no Keras"),
        ("kbert.data.shards.shards", "def f():\n    from keras import ops", "imports no Keras"),
        ("kbert.data.corpus.corpus", "import kbert.data.shards.shards", "data.corpus may not"),
        ("kbert.data.pretraining.rows", f"import {BATCHES}", f"may not import {BATCHES}"),
        ("kbert.evaluation.score", "import kbert.data.corpus.corpus, " + BATCHES, None),
        ("kbert.tasks.klue", "import kbert.data.labelled.examples", None),
        ("kbert.tasks.klue", "import kbert.data.corpus.corpus", "tasks may not import"),
        ("kbert.text.korean.josa", "import kbert.text.vocabulary", "text.korean may not import"),
        ("kbert.text.files.reader", "import kbert.text.encoding.rust", "text.files may not"),
        ("kbert.text.encoding.rows", "import kbert.text.korean.jamo, kbert.text.vocabulary", None),
        ("kbert.layers.kernels.blocks", "import kbert.layers.attention", "layers.kernels may not"),
        ("kbert.layers.heads", "from kbert.models.bert import Bert", "layers may not import"),
        ("kbert.training.losses", "import kbert.formats.load", "training may not import"),
        ("kbert.formats.load", "from kbert import pipelines", "formats may not import"),
        ("kbert.models.bert", "from kbert import Tokenizer", "the module that has the name"),
        ("kbert.models.bert", "from recipes import pretrain_ko", "kbert may not import recipes"),
        ("kbert.models.bert", "from .base import KbertModel", "by the full name"),
        ("kbert.errors", "from kbert.labels import IS_NEXT", "errors may not import"),
        ("kbert.attic.old", "import json", "the new room 'attic'"),
        (BATCHES, "import keras\nfrom kbert.text.tokenizer import Tokenizer", None),
        ("kbert.pipelines.fill_mask", "from kbert.models.base import KbertModel", None),
    ],
)
def test_wrong_imports_are_found(module, source, complaint):
    problems = violations(module, source)
    assert complaint in problems[0] if complaint else not problems


ROOMS = [path for path in FILES if path.name == "__init__.py" and path.parent != PACKAGE]


@pytest.mark.parametrize("init", ROOMS, ids=dotted)
def test_a_rooms_docstring_is_its_map(init):
    """A line for each file and each room within, and for nothing else."""
    docstring = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    named = re.findall(r"^(\w+(?:\.py|/)) +\S", docstring, re.MULTILINE)
    there = [path.name for path in init.parent.glob("*.py") if path != init]
    there += [f"{path.parent.name}/" for path in init.parent.glob("*/__init__.py")]
    assert sorted(named) == sorted(there)


def split_init() -> tuple[list[ast.stmt], list[ast.stmt]]:
    """kbert/__init__.py: what runs, and what is only for type checkers."""
    run, typing_only = [], []
    for node in ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body:
        guarded = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if guarded:
            typing_only += node.body
        else:
            run.append(node)
    return run, typing_only


def test_the_package_itself_imports_only_the_choice_of_backend_and_its_version():
    run = "\n".join(map(ast.unparse, split_init()[0]))
    assert {name for _, name in imports(run) if name.startswith("kbert")} == {
        "kbert.backend",
        "kbert.catalog",
        "kbert.version",
    }


def test_public_names_are_those_of_the_lazy_table():
    assert sorted(kbert.__all__) == sorted(kbert._HOME)
    assert set(kbert.__all__) <= set(dir(kbert))
    for name, home in kbert._HOME.items():
        assert getattr(kbert, name) is vars(sys.modules[f"kbert.{home}"])[name]


def test_type_checkers_see_the_lazy_table():
    seen = {
        alias.asname or alias.name: node.module
        for node in split_init()[1]
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: f"kbert.{home}" for name, home in kbert._HOME.items()}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Brt'"):
        _ = kbert.Brt


def modules_loaded_by(*statements: str) -> set[str]:
    """The modules that statements load in a fresh interpreter, beside those of its start."""
    lines = (
        "import sys",
        "before = set(sys.modules)",
        *statements,
        "after = set(sys.modules)",
        "import json",
        "print(json.dumps(sorted(after - before)))",
    )
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_import_kbert_loads_no_backend_and_little_else():
    loaded = modules_loaded_by("import kbert")
    assert not loaded & {*BACKENDS, "numpy", "tokenizers"}
    assert len(loaded) <= MOST_MODULES, sorted(loaded)


def test_text_and_data_run_without_keras():
    names = [name for name in MODULES if name.startswith(("kbert.text", "kbert.data"))]
    names = [name for name in names if not has_keras(room(name))]
    loaded = modules_loaded_by(*(f"import {name}" for name in names))
    assert {"kbert.text.tokenizer", "kbert.data.pretraining.masking", "numpy"} <= loaded
    assert not loaded & BACKENDS
