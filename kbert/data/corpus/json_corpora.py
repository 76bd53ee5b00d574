"""Korean corpora as they are handed out in JSON: 국립국어원's 모두의 말뭉치, and AI Hub's.

    {"document": [{"paragraph": [{"form": "첫 문단이다."}, ...]}, ...]}

The JSON of a corpus is a tree; a layout says where its documents are, and where in a document the
texts are. `[]` stands for every entry of a list.
"""

import json
from collections.abc import Iterator
from typing import Any

from kbert.errors import KbertError

# documents, texts in a document           of which corpora
LAYOUTS = (
    ("document[]", "paragraph[].form"),  # 모두의 말뭉치: 신문, 문어, 웹
    ("document[]", "utterance[].form"),  # 구어, 일상 대화, 메신저, 온라인 대화
    ("document[]", "sentence[].form"),  # 형태 분석, 개체명 분석, ...
    ("SJML.text[]", "content"),  # AI Hub: 대규모 웹데이터, 온라인 구어체
    ("named_entity[]", "title[].sentence subtitle[].sentence content[].sentence"),  # 웹데이터 기반
    ("paragraphs[]", "sentences[].original_text"),  # 대규모 구매도서 기반
    ("documents[]", "text[][].sentence"),  # 문서요약 텍스트
    ("data[].paragraphs[]", "context"),  # 기계독해 (as SQuAD)
)


def json_documents(content: str, where: str) -> Iterator[list[str]]:
    """Reads the documents of a corpus in one of LAYOUTS.

    What has no text (a null subtitle, an empty form) is passed over.

    Args:
        content: the file's text, an object or a list of such objects.
        where: what it was read from, named in errors.

    Yields:
        The lines of each document that has any.

    Raises:
        KbertError: if it is not JSON, or no layout finds any text.

    Example:
        >>> news = '{"document": [{"paragraph": [{"form": "제목"}, {"form": "본문이다."}]}]}'
        >>> list(json_documents(news, "NPRW.json"))
        [['제목', '본문이다.']]
    """
    try:
        tree = json.loads(content.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise KbertError(f"{where}: not JSON ({error})") from None
    empty = True
    for corpus in tree if isinstance(tree, list) else [tree]:
        for documents, texts in LAYOUTS:
            for document in _values(corpus, documents):
                found = (text for path in texts.split() for text in _values(document, path))
                lines = [
                    line for text in found if isinstance(text, str) for line in text.split("\n")
                ]
                lines = [line for line in lines if line.strip()]
                if lines:
                    empty = False
                    yield lines
    if empty:
        keys = sorted(tree)[:6] if isinstance(tree, dict) else type(tree).__name__
        known = "; ".join(f"{documents}.{texts}" for documents, texts in LAYOUTS)
        raise KbertError(f"{where}: no text in any layout that kbert knows ({known}); got {keys}")


def _values(tree: Any, path: str) -> Iterator[Any]:
    """What stands at a path of a tree; nothing where the tree has no such path."""
    if not path:
        yield tree
    elif path.startswith("[]"):
        for value in tree if isinstance(tree, list) else ():
            yield from _values(value, path[2:].removeprefix("."))
    elif isinstance(tree, dict):
        name = path.split(".")[0].split("[")[0]
        yield from _values(tree.get(name), path[len(name) :].removeprefix("."))
