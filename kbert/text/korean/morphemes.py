"""Korean morphemes, whoever finds them: python-mecab-ko, Kiwi, KoNLPy's taggers or a function.

    축구는 정말 재미있었다.  ->  축구 는 / 정말 / 재미있 었 다 .

Analysers disagree on what they return: Mecab gives pieces of the text, Kiwi and Komoran give base
forms (했다 -> 하 + 었 + 다), which are not in it. Here a morpheme is always a span of the text as
it is written. Where two morphemes share a syllable (하 + 었 in 했), they are one span.

Use: KLUE-BERT's vocabulary was trained on morphemes (`recipes/train_vocab.py --morphemes mecab`),
while the model runs without them; and masking can take whole morphemes.
"""

import re
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Any

from kbert.errors import KbertError, how_to_install
from kbert.text.korean.normalize import nfc

Span = tuple[int, int]  # (start, end) in the text
Analyser = str | Callable[[str], list[str]]

KONLPY_TAGGERS = ("Okt", "Komoran", "Hannanum", "Kkma")
_PACKAGES = {
    "mecab": ["python-mecab-ko", "python-mecab-ko-dic"],
    "kiwi": ["kiwipiepy", "kiwipiepy-model"],
}
_AT_ONCE = 1000  # characters that an analyser gets at a time, so that nothing takes long
_PIECE = re.compile(rf".{{1,{_AT_ONCE - 1}}}(?:\s|$)|.{{1,{_AT_ONCE}}}", re.DOTALL)


class Morphemes:
    """Finds the morphemes of a text.

    Args:
        analyser: "mecab" (python-mecab-ko), "kiwi" (kiwipiepy), the lower-case name of a tagger of
            KoNLPy ("okt", "komoran", "hannanum", "kkma"), or any function that takes a text and
            returns its morphemes, in order.

    Raises:
        KbertError: if the analyser is unknown, or its package or Java is not installed; the message
            says what to install.

    Example:
        >>> by_syllable = Morphemes(lambda text: list(text.replace(" ", "")))
        >>> by_syllable.spans("국회 는")
        [(0, 1), (1, 2), (3, 4)]
        >>> by_syllable.split("국회 는")
        ['국', '회', '는']
    """

    def __init__(self, analyser: Analyser = "mecab"):
        taggers = {name.lower(): name for name in KONLPY_TAGGERS}
        if callable(analyser):
            self.name = getattr(analyser, "__qualname__", type(analyser).__name__)
            self._packages, self._find = [], _by_alignment(analyser)
        elif analyser == "mecab":
            self.name, self._packages, self._find = analyser, _PACKAGES[analyser], _mecab()
        elif analyser == "kiwi":
            self.name, self._packages, self._find = analyser, _PACKAGES[analyser], _kiwi()
        elif analyser in taggers:
            self.name, self._packages = analyser, ["konlpy"]
            self._find = _by_alignment(_konlpy(taggers[analyser]))
        else:
            known = ", ".join(["mecab", "kiwi", *taggers])
            raise KbertError(
                f"no morpheme analyser {analyser!r}: it is one of {known}, or a function"
            )

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the analyser's packages, to store with what was made by it."""
        found = {}
        for package in self._packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:  # bundled in another way
                found[package] = "unknown"
        return found

    def spans(self, text: str) -> list[Span]:
        """The (start, end) of each morpheme of a text.

        Returns:
            Spans in order, none empty; together all of the text but its white space.

        Raises:
            TypeError: if the text is not a string.
            KbertError: if it holds a lone surrogate.
        """
        nfc(text)  # for its checks: the spans are those of the text as it came
        spans: list[Span] = []
        for piece in _PIECE.finditer(text):
            if not piece[0].isspace():
                cuts = self._find(piece[0])
                spans += [(piece.start() + a, piece.start() + b) for a, b in _cut(piece[0], cuts)]
        return spans

    def split(self, text: str) -> list[str]:
        """The morphemes of a text, as they are written in it."""
        return [text[start:end] for start, end in self.spans(text)]


def _cut(text: str, cuts: set[int]) -> Iterator[Span]:
    """Cuts the text's words, which white space parts, at the offsets where morphemes meet."""
    for word in re.finditer(r"\S+", text):
        inside = [offset for offset in range(word.start() + 1, word.end()) if offset in cuts]
        yield from pairwise([word.start(), *inside, word.end()])


# Each of these takes a text and gives the offsets where its morphemes meet.

_Find = Callable[[str], set[int]]


def _mecab() -> _Find:
    tagger = import_analyser("mecab").MeCab()
    return lambda text: {offset for token in tagger.parse(text) for offset in token.span}


def _kiwi() -> _Find:
    kiwi = import_analyser("kiwipiepy").Kiwi()

    def find(text: str) -> set[int]:
        spans = [(token.start, token.start + token.len) for token in kiwi.tokenize(text)]
        inside = {offset for start, end in spans for offset in range(start + 1, end)}
        return {offset for span in spans for offset in span} - inside

    return find


def _konlpy(tagger: str) -> Callable[[str], list[str]]:
    taggers = import_analyser("konlpy.tag")
    try:
        return getattr(taggers, tagger)().morphs
    except Exception as error:  # jpype's own, a bare SystemError or ValueError: by its version
        raise KbertError(
            f"KoNLPy's {tagger} needs Java, and could not start it ({error}): install a JDK, such "
            "as OpenJDK 17, and set JAVA_HOME if it is not found; or use mecab, which needs none"
        ) from error


def import_analyser(module: str) -> Any:
    """Imports an analyser's module, or says in a KbertError what to install."""
    package = {"mecab": "morphemes", "kiwipiepy": "morphemes", "konlpy.tag": "konlpy"}[module]
    try:
        return import_module(module)
    except ImportError as error:
        raise KbertError(
            f"this morpheme analyser is not installed ({error}): {how_to_install(package)}"
        ) from error


def _by_alignment(analyse: Callable[[str], list[str]]) -> _Find:
    """Finds morphemes in the text that were given without their offsets, or not as written.

    Two morphemes meet where the second begins in the text or, if that cannot be told, where the
    first ends; if neither can, they share a syllable.
    """

    def find(text: str) -> set[int]:
        morphemes = analyse(text)
        joined = "".join(morphemes)
        where = [-1] * len(joined)  # the offset in the text of each character of the morphemes
        plain = [offset for offset, character in enumerate(text) if not character.isspace()]
        if joined == "".join(text.split()):
            where = plain
        else:
            matcher = SequenceMatcher(None, joined, text, autojunk=False)
            for block in matcher.get_matching_blocks():
                where[block.a : block.a + block.size] = range(block.b, block.b + block.size)
        cuts, index = set(), 0
        for morpheme in morphemes[:-1]:
            index += len(morpheme)
            if 0 < index < len(joined):
                before, behind = where[index - 1], where[index]
                if behind >= 0:
                    cuts.add(behind)
                elif before >= 0:
                    cuts.add(before + 1)
        return cuts

    return find
