"""The command `kbert`: what is in a file, and what there is in kbert."""

import argparse
import ast
import sys
from pathlib import Path

import kbert
from kbert.errors import KbertError
from kbert.formats.inspect import inspect
from kbert.runs.console import console


def main(arguments: list[str] | None = None) -> int:
    """Runs the command.

    Returns:
        0; or 1 if a file did not pass the checks.
    """
    parser = argparse.ArgumentParser(
        prog="kbert",
        description="Korean BERT in Keras 3, on TensorFlow, JAX or PyTorch.",
        epilog=what_there_is(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kbert {kbert.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("inspect", help="show what is in a file without loading it")
    command.add_argument(
        "file", help="a .keras, .safetensors or .bin file, vocab.txt, a folder, or kbert-mini-ko"
    )
    out = console()
    source = parser.parse_args(arguments).file
    try:
        inspect(source, out)
    except (KbertError, OSError) as error:
        message = str(error)
        out.print(f"refused: {message if message.isprintable() else ascii(message)}")
        return 1
    out.print("passed every check that is made before anything is loaded")
    return 0


def what_there_is() -> str:
    """Says what else kbert has: names to import and, in a clone, the recipes and demos."""
    classes = [name for name in kbert.__all__ if name[0].isupper() and not name.isupper()]
    functions = [name for name in kbert.__all__ if name[0].islower()]
    lines = ["in Python, with help(kbert.FillMask) and the like:"]
    lines += [f"  classes    {', '.join(classes)}", f"  functions  {', '.join(functions)}"]
    clone = Path(kbert.__file__).parents[1]
    scripts = [path for kind in ("recipes", "demos") for path in sorted(clone.glob(f"{kind}/*.py"))]
    shown = [(path.relative_to(clone).as_posix(), _is_for(path)) for path in scripts]
    if any(purpose for _, purpose in shown):
        lines += ["", f"programs in {clone}, with --help:"]
        lines += [f"  {name:30} {purpose}" for name, purpose in shown if purpose]
    else:
        lines += ["", "Recipes and demos come with a clone of the repository."]
    return "\n".join(lines)


def _is_for(path: Path) -> str:
    """The first line of a program's docstring; "" of what is no program."""
    source = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return docstring.split("\n")[0] if 'if __name__ == "__main__"' in source else ""


if __name__ == "__main__":
    sys.exit(main())
