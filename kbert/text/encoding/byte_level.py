"""Byte-level BPE: what is cut are the bytes of a text, each written as a letter (Ġ is a space).

Nothing is unknown to it: what has no token of its own is its bytes. A syllable of Hangul has three
of them, so one that is rare may be more than one token.

Source: Radford et al. 2019 (GPT-2), section 2.2; ModernBERT's tokenizer.
"""

from collections.abc import Callable, Iterable
from operator import index

import tokenizers

from kbert.errors import KbertError
from kbert.text.merges import Merges


def byte_level_engine(ids: dict[str, int], merges: Merges) -> tokenizers.Tokenizer:
    """The engine, without the tokens that are cut out whole.

    Args:
        ids: token -> id.
        merges: which two neighbours become one token, the most frequent first.

    Raises:
        KbertError: if a merge is of, or makes, what is no token.
    """
    try:
        model = tokenizers.models.BPE(ids, list(merges))
    except Exception as error:  # tokenizers has no class of its own for it
        raise KbertError(f"the merges do not fit the vocabulary: {error}") from error
    engine = tokenizers.Tokenizer(model)
    engine.normalizer = tokenizers.normalizers.NFC()
    engine.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = tokenizers.decoders.ByteLevel()
    return engine


class ByteDecoder:
    """Ids to text: bytes are put together first, since a token may hold a part of a letter.

    Args:
        engine: from `byte_level_engine`.
        token: id -> token; it raises what is to be raised where there is none.
    """

    def __init__(self, engine: tokenizers.Tokenizer, token: Callable[[int], str]):
        self._decoder, self._token = engine.decoder, token

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
        return self._decoder.decode([self._token(i) for i in left])
