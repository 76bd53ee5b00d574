"""Ids to text, as Hugging Face's decoders write it.

What a token writes depends on whether it is the first, and on nothing else. So the engine's decoder
is asked once for each token, and a text is put together from its answers.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from operator import index

import tokenizers


class Decoder(dict[int, str]):
    """An id -> what its token writes behind others; filled as tokens are met.

    Args:
        engine: one with a decoder.
        token: id -> token; it raises what is to be raised where there is none.
        normalized: the ids of the added tokens that are written as cleaning leaves them.
    """

    def __init__(
        self, engine: tokenizers.Tokenizer, token: Callable[[int], str], normalized: Iterable[int]
    ):
        super().__init__()
        self._decoder, self._vocabulary = engine.decoder, token
        clean = engine.normalizer.normalize_str
        self._cleaned = {number: clean(token(number)) for number in normalized}

    def _token(self, number: int) -> str:
        return self._cleaned.get(number) or self._vocabulary(number)

    def __missing__(self, number: int) -> str:
        self[number] = self._decoder.decode(["a", self._token(number)])[1:]
        return self[number]

    def decode(self, ids: Iterable[int], left_out: Iterable[int]) -> str:
        """The text of ids.

        Args:
            ids: whole numbers of any kind.
            left_out: the ids of tokens that write nothing.

        Raises:
            TypeError: if an id is no whole number.
        """
        left_out = frozenset(left_out)
        left = [i for i in map(index, ids) if i not in left_out]
        if not left:
            return ""
        first = self._decoder.decode([self._token(left[0])])
        return first + "".join(map(self.__getitem__, islice(left, 1, None)))
