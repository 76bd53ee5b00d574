"""Writes the notebooks from their sources: `python notebooks/to_ipynb.py`.

A source is a Python file in the percent format, which Jupytext, VS Code, PyCharm and Spyder know, too:
`# %%` begins a cell of code, and `# %% [markdown]` one of text, each line of which is a comment.

The notebooks have no outputs: those would be of another machine and another day, and in the way
of every change; what the cells do is tested (tests/test_notebooks.py).
"""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent
_CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources() -> list[Path]:
    """The sources of the notebooks: what begins with a cell."""
    return [path for path in sorted(FOLDER.glob("*.py")) if _CELL.match(path.read_text("utf-8"))]


def cells(source: str) -> list[tuple[str, str]]:
    """The ("markdown" or "code", text) of each cell."""
    _, *parts = _CELL.split(source)  # before the first, then mark and text in turn
    found = []
    for mark, text in zip(parts[::2], parts[1::2], strict=True):
        if mark:
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        found.append(("markdown" if mark else "code", text.strip("\n")))
    return found


def notebook(source: str) -> str:
    """The notebook of a source, as the text of its `.ipynb` file."""
    made = []
    for number, (kind, text) in enumerate(cells(source)):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell | {"source": text.splitlines(keepends=True)})
    whole = {"cells": made, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for path in sources():
        text = notebook(path.read_text("utf-8"))
        path.with_suffix(".ipynb").write_text(text, encoding="utf-8", newline="\n")
