"""What is glued to a [MASK]: `[MASK]에게` as it is in running text, `[MASK] ##에게`.

BERT's tokenizer begins a new word behind a special token (`[MASK] 에게`). But in the text that the
model was trained on a blank with a particle was one word, cut into pieces.
"""

from itertools import pairwise

import numpy as np
import tokenizers

from kbert.text.encoding.rust import Encoded, Span
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH


def continue_masks(
    text: str,
    encoded: Encoded,
    mask_id: int,
    engine: tokenizers.Tokenizer,
    vocabulary: dict[str, int] | None,
    unk_id: int,
) -> Encoded:
    """Reads a word glued to a [MASK] as its continuation.

    Args:
        text: the text that was encoded.
        encoded: what the engine made of it.
        mask_id: the id of [MASK].
        engine: what encoded it.
        vocabulary: token -> id in WordPiece; None in a unigram model.
        unk_id: the id of [UNK].
    """
    ids, spans, words = encoded
    if mask_id not in ids:
        return encoded
    new_ids, new_spans, new_words, index = [], [], [], 0
    while index < len(ids):
        start, end = spans[index]
        word = words[index]
        glued = bool(new_ids) and new_ids[-1] == mask_id and new_spans[-1][1] == start
        if glued and text[start].isalnum():
            while index < len(ids) and words[index] == word:
                end, index = spans[index][1], index + 1
            rest = text[start:end]
            piece_ids, piece_spans = _continuation(rest, engine, vocabulary, unk_id)
            new_ids += piece_ids
            new_spans += [(start + begin, start + stop) for begin, stop in piece_spans]
            new_words += [word] * len(piece_ids)
        else:
            new_ids.append(ids[index])
            new_spans.append((start, end))
            new_words.append(word)
            index += 1
    return new_ids, new_spans, new_words


def _continuation(
    text: str, engine: tokenizers.Tokenizer, vocabulary: dict[str, int] | None, unk_id: int
) -> tuple[list[int], list[Span]]:
    """The pieces of a word that continues another, and their places in it; or [UNK]."""
    word = engine.normalizer.normalize_str(text)
    whole = (0, len(text))
    if len(word) > MAX_WORD_LENGTH:
        return [unk_id], [whole]
    if vocabulary is None:
        pieces = engine.model.tokenize(word)
        ids, lengths = [piece.id for piece in pieces], [len(piece.value) for piece in pieces]
    else:
        ids, lengths = _longest_pieces(word, vocabulary, unk_id)
    if len(word) != len(text):
        return ids, [whole] * len(ids)
    return ids, list(pairwise([0, *np.cumsum(lengths).tolist()]))


def _longest_pieces(
    word: str, vocabulary: dict[str, int], unk_id: int
) -> tuple[list[int], list[int]]:
    """The longest `##` pieces of a word's rest, from first to last, and their lengths."""
    ids, lengths, start = [], [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = vocabulary.get(CONTINUATION + word[start:end])
            if piece is not None:
                break
        else:
            return [unk_id], [len(word)]
        ids.append(piece)
        lengths.append(end - start)
        start = end
    return ids, lengths
