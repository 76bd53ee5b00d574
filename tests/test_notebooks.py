"""The notebooks are their sources, and every cell runs: offline, on kbert-mini-ko.

A cell is run as Jupyter runs it: what its last line gives is shown, as a picture where it has one,
and so are the figures, whose Korean must have a font (a missing glyph is a warning: an error here).
"""

import ast
import io
import json
import re
import sys

import keras
import pytest
from huggingface_hub import constants

from tests.recipe_runs import ROOT

sys.path.insert(0, str(ROOT / "notebooks"))  # where it is a program of its own
from to_ipynb import cells, notebook, sources

sys.path.pop(0)
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="once, on PyTorch"),
]
NAMES = [path.stem for path in sources()]

# What a notebook prints, and how many pictures and figures it shows.
SHOWN = {
    "bert_lecture": ("-> 그는 고등학교를 졸업했다. 0.25", 7, 3),
    "from_tfbert_and_kobert": ("expects probabilities", 0, 0),
    "my_csv": ("학습 32 개, 평가 8 개", 1, 2),
}


def test_cells_are_cut_where_they_begin():
    source = "# %% [markdown]\n# # 제목\n#\n# 글\n\n# %%\nfirst = 1\n\n\n# a comment\nfirst\n"
    code = "first = 1\n\n\n# a comment\nfirst"
    assert cells(source) == [("markdown", "# 제목\n\n글"), ("code", code)]
    made = json.loads(notebook(source))
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert made["cells"][1] == {
        "cell_type": "code",
        "execution_count": None,
        "id": "cell-1",
        "metadata": {},
        "outputs": [],
        "source": ["first = 1\n", "\n", "\n", "# a comment\n", "first"],
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_its_source(name):
    source = (ROOT / "notebooks" / f"{name}.py").read_text("utf-8")
    written = (ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8")
    assert written == notebook(source), "python notebooks/to_ipynb.py writes it anew"


@pytest.mark.parametrize("name", NAMES)
def test_links_of_a_notebook_lead_to_files(name):
    folder = ROOT / "notebooks"
    source = (folder / f"{name}.py").read_text("utf-8")
    texts = [text for kind, text in cells(source) if kind == "markdown"]
    links = [link for text in texts for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    assert links and not [link for link in links if not (folder / link).exists()]


def shown_by(code: str, names: dict) -> int:
    """Runs a cell; how many pictures its last line shows: 1 or 0."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return 0
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    picture = getattr(value, "_repr_html_", None)
    return 0 if picture is None else len(picture()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path / "notebooks")
    source = (ROOT / "notebooks" / f"{name}.py").read_text("utf-8")
    told, pictures, figures = SHOWN[name]
    seen, drawn, names = 0, 0, {}
    with pyplot.rc_context():  # a notebook sets its font for good
        for code in (text for kind, text in cells(source) if kind == "code"):
            seen += shown_by(code, names)
            for number in pyplot.get_fignums():  # as inline figures: drawn, and gone
                if names["installed_font"]() is None:
                    pytest.skip("no Korean font is installed")
                pyplot.figure(number).savefig(io.BytesIO())
                pyplot.close(number)
                drawn += 1
    assert (seen, drawn) == (pictures, figures)
    assert told in capsys.readouterr().out
