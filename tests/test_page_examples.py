"""The Python sessions of the pages give what the pages say.

The lecture's on every backend, those of the others on one.
"""

import doctest
import io
from pathlib import Path

import pytest

from tests.test_docs import FENCED, PAGES, TRANSLATED, page_id


def sessions(page: Path) -> doctest.DocTest:
    """A page's Python sessions, its other lines left empty, so that every line keeps its number."""
    text = page.read_text(encoding="utf-8")
    lines = [""] * len(text.splitlines())
    for block in FENCED.finditer(text):
        _, language, code = block.groups()
        if language == "python" and ">>>" in code:
            first = text.count("\n", 0, block.start(3))
            lines[first : first + code.count("\n")] = code.splitlines()
    parser = doctest.DocTestParser()
    return parser.get_doctest("\n".join(lines).rstrip(), {}, page_id(page), str(page), 0)


def parameters() -> list:
    """The sessions of every page that has some: `slow` if they train.

    A page in Korean has the code of the English one, which is held by test_docs.
    """
    every = []
    for test in map(sessions, (page for page in PAGES if page not in TRANSLATED)):
        source = "".join(example.source for example in test.examples)
        marks = [] if test.name.endswith("lecture.md") else [pytest.mark.once]
        marks += [pytest.mark.slow] if ".fit(" in source else []
        every += [pytest.param(test, id=test.name, marks=marks)] if source else []
    return every


@pytest.mark.parametrize("test", parameters())
def test_sessions_give_what_the_page_says(test):
    report = io.StringIO()
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed = doctest.DocTestRunner(optionflags=flags).run(test, out=report.write).failed
    assert not failed, report.getvalue()
