"""What runs once, and what on every backend."""

import pytest

from tests.once import ROOT, needs_backend


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy as np", False),
        ("import keras", True),
        ("def test():\n    import jax.numpy as jnp", True),
        ("from torch import nn", True),
        ("hub = pytest.importorskip('keras_hub')", True),
        ("spm = pytest.importorskip('sentencepiece')", False),
        ("import subprocess", True),  # who knows what it runs
        ("from tests.recipe_runs import run", True),
        ("from recipes import cost", True),
        ("from kbert import KbertError, Tokenizer", False),
        ("from kbert import Bert, Tokenizer", True),
        ("import kbert\nkbert.Tokenizer(kbert.SIZES)", False),
        ("import kbert\nmodel = kbert.load('a.keras')", True),
        ("from kbert.text.korean.josa import agree", False),
        ("from kbert.data.labelled import examples, overlap", False),
        ("from kbert.data.labelled import batches", True),
        ("from kbert.data.pretraining.heldout import read_heldout", True),
        ("import kbert.formats.load", True),
        ("import kbert.text.tokenizer as t", False),
        ("from tests.conftest import SMALL", False),
        ("from tests.formats import checkpoints", True),
        ("from tests.training.killed_runs import Runs", True),
    ],
)
def test_what_needs_a_backend(source, expected):
    assert needs_backend(source) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("text/test_tokenizer.py", False),
        ("data/corpus/test_corpus.py", False),
        ("tasks/test_metrics.py", False),
        ("data/pretraining/test_batches.py", True),
        ("models/test_bert.py", True),
        ("test_readme.py", True),
    ],
)
def test_files_of_this_suite(path, expected):
    assert needs_backend((ROOT / "tests" / path).read_text(encoding="utf-8")) == expected


def test_this_test_itself_is_marked_as_it_is_collected(request):
    assert request.node.get_closest_marker("once")
