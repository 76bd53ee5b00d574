"""Where special and added tokens stand in texts: the engine's own search, alone.

`tokenizers` looks for all tokens at once (Aho-Corasick), in a text as it is written and in what
cleaning makes of it, and knows the flags. So numpy (`numpy_wordpiece.py`, `numpy_unigram.py`) asks
it, of the texts that have a character with which a token may begin. (Five special tokens without
flags, as most vocabularies have them, take no more than a regular expression.)
"""

import re
from collections.abc import Sequence

import tokenizers
from tokenizers import AddedToken

from kbert.errors import KbertError

Found = list[tuple[int, int, int]]  # where a token begins and ends in a text, and its number
_REST = ""  # what the search calls everything that is no token
_FEW = 64  # tokens, which a regular expression finds several times as fast, if they have no flag


class WholeTokens:
    """Finds tokens in texts.

    Args:
        tokens: no two of one content.
        normalizer: what cleans a text.

    Attributes:
        firsts: the characters with which a token may begin in a text as it is written.
        firsts_normalized: those in what cleaning makes of it.

    Raises:
        KbertError: if cleaning leaves nothing of a token that is looked for behind it.
    """

    def __init__(self, tokens: Sequence[AddedToken], normalizer: tokenizers.normalizers.Normalizer):
        self._engine = tokenizers.Tokenizer(
            tokenizers.models.WordLevel({_REST: 0}, unk_token=_REST)
        )
        self.firsts = {token.content[0] for token in tokens if not token.normalized}
        self.firsts_normalized: set[str] = set()
        for token in tokens:
            if token.normalized:
                cleaned = normalizer.normalize_str(token.content)
                # A space is around every hanja, so what stands behind it says more.
                self.firsts_normalized.add((cleaned.lstrip(" ") or cleaned)[0])
        self.has_normalized = bool(self.firsts_normalized)
        if self.has_normalized:
            self._engine.normalizer = normalizer
        self._engine.add_tokens(list(tokens))  # they get the numbers from 1 on
        self._numbers = {token.content: number for number, token in enumerate(tokens)}
        self._pattern = None
        plain = [t.content for t in tokens if written_as_is(t)]
        if len(plain) == len(tokens) <= _FEW:
            longest_first = sorted(plain, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def find(self, texts: list[str]) -> list[Found | None]:
        """The tokens of each text; None where one is only a part of what a character becomes.

        (In jamo, 나 is a part of 낙.)
        """
        if self._pattern is not None:
            return [
                [(*m.span(), self._numbers[m.group()]) for m in self._pattern.finditer(text)]
                for text in texts
            ]
        found: list[Found | None] = []
        for encoding in self._engine.encode_batch(texts, add_special_tokens=False):
            here: Found | None = []
            before = 0
            for (start, end), number in zip(encoding.offsets, encoding.ids, strict=True):
                if start < before:
                    here = None
                    break
                before = end
                if number:
                    here.append((start, end, number - 1))
            found.append(here)
        return found


def written_as_is(token: AddedToken) -> bool:
    """Whether a token is found wherever it is written."""
    return not (token.normalized or token.single_word or token.lstrip or token.rstrip)


def check_findable(
    tokens: Sequence[AddedToken], normalizer: tokenizers.normalizers.Normalizer
) -> None:
    """Raises KbertError if cleaning leaves nothing of a token that is looked for behind it."""
    for token in tokens:
        if token.normalized and not normalizer.normalize_str(token.content):
            raise KbertError(
                f"the added token {token.content!r:.40} has nothing that cleaning leaves: leave it "
                "out, or set normalized=False"
            )
