"""What is glued to a [MASK]: `[MASK]에게` as it is in running text, `[MASK] ##에게`.

BERT's tokenizer begins a new word behind a special token (`[MASK] 에게`). But in the text that the
model was trained on a blank with a particle was one word, cut into pieces.
"""

from collections.abc import Callable

Span = tuple[int, int]  # (start, end) in a text
Encoded = tuple[list[int], list[Span], list[int | None]]  # ids, spans, and the word of each


def continue_masks(
    text: str,
    encoded: Encoded,
    mask_id: int,
    continuation: Callable[[str], tuple[list[int], list[Span]]],
) -> Encoded:
    """Reads a word glued to a [MASK] as its continuation.

    Args:
        text: the text that was encoded.
        encoded: what the engine made of it.
        mask_id: the id of [MASK].
        continuation: gives a word's pieces when it continues another, and their places in it.
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
            piece_ids, piece_spans = continuation(text[start:end])
            new_ids += piece_ids
            new_spans += [(start + begin, start + stop) for begin, stop in piece_spans]
            new_words += [word] * len(piece_ids)
        else:
            new_ids.append(ids[index])
            new_spans.append((start, end))
            new_words.append(word)
            index += 1
    return new_ids, new_spans, new_words
