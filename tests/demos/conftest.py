"""A tiny model, and a demo's page served with it."""

import asyncio
import importlib
import logging
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest

import kbert

DEMOS = Path(__file__).parents[2] / "demos"
MODULES = [path.stem for path in DEMOS.glob("*.py")]
SCRIPTS = ("fill_mask", "next_sentence", "attention", "neurons", "tokens", "sentences")
SCRIPTS += ("contexts", "fine_tuned")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "국민", "국회", "국가", "은", "는", "의"]
WORDS += ["##은", "##는", "##의", "법률", "앞에", "평등하다", "."]


@pytest.fixture(autouse=True)
def demos_on_path(monkeypatch):
    """As `python demos/fill_mask.py` has it; and no other test sees a module named `serve`."""
    monkeypatch.syspath_prepend(DEMOS)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def quiet_only_here():
    """A page of the demos silences kbert's logger, whose warnings would name a visitor's words."""
    logger = logging.getLogger("kbert")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def loops_closed(monkeypatch):
    """Closes the event loops that Gradio's `safe_get_lock` and `safe_get_stop_event` leave open.

    Else each warns of itself whenever it is collected, which may be in another file's test.
    """
    loops, new_event_loop = [], asyncio.new_event_loop

    def remember():
        loops.append(new_event_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", remember)
    yield
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()


@pytest.fixture(scope="session")
def model_file(tmp_path_factory) -> Path:
    model = kbert.BertForPreTraining(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
        initializer_range=0.5,  # large, so that the answers' probabilities lie far apart
        seed=3,
    )
    model.tokenizer = kbert.Tokenizer(WORDS)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    return path


def free_port() -> int:
    """A port of our own: Gradio's search would meet that of a suite on another backend."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def page_of(models, *scripts: str) -> Iterator[str]:
    """Serves demos with models that are loaded; gives the address."""
    serve = importlib.import_module("serve")
    tabs = [(script, importlib.import_module(script).build) for script in scripts]
    page = serve.build_page(tabs, importlib.import_module("models").Models(models))
    try:
        yield serve.launch(page, free_port(), wait=False)
    finally:
        page.close()


@contextmanager
def served(script: str, *model_files: Path):
    """Serves one demo; gives a client of its API."""
    from gradio_client import Client

    with page_of([kbert.load(path) for path in model_files], script) as address:
        yield Client(address, verbose=False)


def bars(html: str) -> list[tuple[str, str, str]]:
    """The bars of an answer: name, number and the line below, as a reader sees them."""
    found = re.findall(
        r"<li[^>]*><b>(.*?)</b>.*?<em>(.*?)</em>(?:<small>(.*?)</small>)?</li>", html, re.DOTALL
    )
    return [(unescape(name), unescape(number), unescape(line)) for name, number, line in found]


def charts(html: str) -> dict[str, list[tuple[str, str, str]]]:
    """The bars of each section, by its title."""
    sections = re.findall(r"<section.*?</section>", html, re.DOTALL)
    titles = [re.search(r"<h3>(.*?)</h3>", each) for each in sections]
    return {
        unescape(title[1]) if title else "": bars(each)
        for title, each in zip(titles, sections, strict=True)
    }


def tags(html: str) -> set[str]:
    """The elements of a piece of HTML, by name."""
    return {name.lower() for name in re.findall(r"<([a-zA-Z][\w-]*)", html)}
