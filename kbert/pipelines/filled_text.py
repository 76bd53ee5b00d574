"""A text with its blanks filled, and all else as it was written."""

from collections.abc import Mapping

from kbert.text.sentencepiece import SPACE
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import CONTINUATION


def fill_text(tokenizer: Tokenizer, text: str, fillings: Mapping[int, int]) -> str:
    """Writes tokens where a text has blanks.

    Ids do not know how a text was written: unknown words, spaces and other blanks are lost on the
    way through them. So the text is taken as it is, and a token that continues a word is joined to
    what stands before it.

    Args:
        tokenizer: whose tokens they are.
        text: with a [MASK] for each blank, as the tokenizer spells it.
        fillings: the number of a blank, from 0 -> the id of its token; others stay blank.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##의".split())
        >>> fill_text(tokenizer, "쀍 [MASK]  [MASK] 법", {1: 6})
        '쀍 [MASK]의 법'
    """
    before, *parts = text.split(tokenizer.mask_token)
    for blank, part in enumerate(parts):
        if blank not in fillings:
            before += tokenizer.mask_token + part
            continue
        written, continues = _written(tokenizer, fillings[blank])
        before = (before.rstrip() if continues else before) + written + part
    return before


def _written(tokenizer: Tokenizer, token_id: int) -> tuple[str, bool]:
    """What a token writes, and whether it continues the word before it."""
    token = tokenizer.token(token_id)
    if token_id in tokenizer.special_ids:
        return token, False
    if tokenizer.scores is not None:  # a unigram model marks what begins a word
        return token.replace(SPACE, " ").removeprefix(" "), not token.startswith(SPACE)
    if tokenizer.merges is not None:  # of bytes: Ġ is a space, and part of the token
        written = tokenizer.decode([token_id])
        return written.removeprefix(" "), not written.startswith(" ")
    return token.removeprefix(CONTINUATION), token.startswith(CONTINUATION)
