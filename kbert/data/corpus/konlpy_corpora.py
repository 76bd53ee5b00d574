"""The offline default corpus: the constitution and ten bills that come with KoNLPy.

Real text of some 65,000 characters, which needs neither the network nor a JVM. The bills were
copied from pages, so they need mending before they are documents:

    - almost every line is followed by a blank one, and lines are wrapped at some 35 characters;
      a line that was cut between two words ends in a space, one cut within a word does not;
    - page numbers (- 3 -) stand between the lines;
    - a table of the old and the new wording, read column by column, makes no sentences;
    - four bills share one estimate of costs word for word: it is kept once, since a "random"
      second text that really does follow would make next-sentence prediction unanswerable.

Source: Park and Cho 2014, "KoNLPy: Korean natural language processing in Python".
"""

import re
from importlib.util import find_spec
from pathlib import Path

from kbert.data.corpus.corpus import Document
from kbert.errors import KbertError, how_to_install
from kbert.text.korean.sentences import split_sentences

_PAGE_NUMBER = re.compile(r"^\s*-\s*\d+\s*-\s*$")
_TABLE_BEGINS = re.compile(r"신\s*[·․⋅ㆍ‧]?\s*구\s*조\s*문\s*대\s*비\s*표")
_TABLE_ENDS = re.compile(r"비용추계|재원조달")
_NEW_PARAGRAPH = re.compile(r"^(\s{2,}|제\d+조(의\d+)?\(|[①-⑳○□◦*]|\d+\.\s|부\s+칙)")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’」』)\]]*$")
_ITEM = re.compile(r"^(\d+(의\d+)?\.|[①-⑳])")
_FULL_LINE = 25  # characters: a shorter line was not wrapped, it ended
_SHORTEST = 12  # Hangul syllables: less is a heading or a cell


def konlpy_documents() -> list[Document]:
    """Reads `kolaw` and `kobill`: eleven documents, each a file, mended into sentences.

    Raises:
        KbertError: if konlpy is not installed.
    """
    spec = find_spec("konlpy")
    if spec is None or not spec.submodule_search_locations:
        raise KbertError(
            f"the offline corpus comes with the konlpy package: {how_to_install('konlpy')}, "
            "or name files of your own"
        )
    folder = Path(spec.submodule_search_locations[0]) / "data" / "corpus"
    files = [*sorted(folder.glob("kolaw/*.txt")), *sorted(folder.glob("kobill/*.txt"))]
    seen: set[str] = set()
    documents = []
    for file in files:
        sentences = unwrap(file.read_text(encoding="utf-8"))
        documents.append([sentence for sentence in sentences if sentence not in seen])
        seen.update(sentences)
    return documents


def unwrap(text: str) -> Document:
    r"""Rejoins the lines of a hard-wrapped page to sentences, without tables and page numbers.

    Example:
        >>> unwrap("저학년의 경우에도 부모의 따뜻한 사랑과 보살핌이 필요\n\n한 나이다.\n- 1 -\n")
        ['저학년의 경우에도 부모의 따뜻한 사랑과 보살핌이 필요한 나이다.']
    """
    paragraphs, wrapped = [""], False
    for line in _running_lines(text):
        if not wrapped or _NEW_PARAGRAPH.match(line):
            paragraphs.append(line)
        else:
            paragraphs[-1] += line
        wrapped = len(line) >= _FULL_LINE and not _SENTENCE_END.search(line.rstrip())
    sentences = [sentence for paragraph in paragraphs for sentence in split_sentences(paragraph)]
    return [sentence for sentence in sentences if _is_running_text(sentence)]


def _running_lines(text: str) -> list[str]:
    """The lines that are neither blank, nor page numbers, nor within a table of wordings."""
    lines, in_table = [], False
    for line in text.splitlines():
        if _TABLE_BEGINS.search(line):
            in_table = True
        elif _TABLE_ENDS.search(line):
            in_table = False
        if line.strip() and not in_table and not _PAGE_NUMBER.match(line):
            lines.append(line)
    return lines


def _is_running_text(sentence: str) -> bool:
    """Whether it is a sentence or an item of a list, and not a heading, a cell or a formula."""
    hangul = sum("가" <= character <= "힣" for character in sentence)
    whole = _SENTENCE_END.search(sentence) or _ITEM.match(sentence)
    return bool(whole) and hangul >= max(_SHORTEST, len(sentence) / 2)
