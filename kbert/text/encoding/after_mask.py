"""What is glued to a [MASK]: `[MASK]에게` as it is in running text, `[MASK] ##에게`.

BERT's tokenizer begins a new word behind a special token (`[MASK] 에게`). But in the text that the
model was trained on a blank with a particle was one word, cut into pieces.
"""

from itertools import accumulate, pairwise

import tokenizers

from kbert.text.encoding.rust import Encoded, Model, Span
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH


class GluedToMask:
    """Reads a word glued to a [MASK] as its continuation.

    Args:
        model: WordPiece or a unigram model.
        mask_id: the id of [MASK].
    """

    def __init__(self, model: Model, mask_id: int):
        self._normalize = model.engine.normalizer.normalize_str
        self._mask_id, self._unk_id = mask_id, model.unk_id
        self._ids: list[int] | None = None
        self._pieces = model.engine.model
        if model.scores is None:  # a WordPiece model of the rests of words, each without its ##
            size = len(CONTINUATION)
            rests = {" ": model.unk_id}  # no word has a space, so this is the model's [UNK]
            for token, index in model.ids.items():
                if token.startswith(CONTINUATION) and token[size:]:
                    rests.setdefault(token[size:], index)
            self._ids = [*rests.values()]
            self._pieces = tokenizers.models.WordPiece(
                {rest: number for number, rest in enumerate(rests)},
                unk_token=" ",
                max_input_chars_per_word=MAX_WORD_LENGTH,
                continuing_subword_prefix="",
            )

    def __call__(self, text: str, encoded: Encoded) -> Encoded:
        """What the engine made of a text, with what is glued to a [MASK] read anew."""
        ids, spans, words = encoded
        if self._mask_id not in ids:
            return encoded
        new_ids, new_spans, new_words, index = [], [], [], 0
        while index < len(ids):
            start, end = spans[index]
            word = words[index]
            follows = bool(new_ids) and new_ids[-1] == self._mask_id and new_spans[-1][1] == start
            # A [MASK] with `rstrip` takes the spaces along, and what comes then is not glued.
            if follows and text[start].isalnum() and not text[start - 1].isspace():
                while index < len(ids) and words[index] == word:
                    end, index = spans[index][1], index + 1
                piece_ids, piece_spans = self._continuation(text[start:end])
                new_ids += piece_ids
                new_spans += [(start + begin, start + stop) for begin, stop in piece_spans]
                new_words += [word] * len(piece_ids)
            else:
                new_ids.append(ids[index])
                new_spans.append((start, end))
                new_words.append(word)
                index += 1
        return new_ids, new_spans, new_words

    def _continuation(self, text: str) -> tuple[list[int], list[Span]]:
        """The pieces of a word that continues another, and their offsets in it; or [UNK]."""
        word = self._normalize(text)
        whole = (0, len(text))
        if len(word) > MAX_WORD_LENGTH:
            return [self._unk_id], [whole]
        pieces = self._pieces.tokenize(word)
        ids = [piece.id if self._ids is None else self._ids[piece.id] for piece in pieces]
        if len(word) != len(text) or ids == [self._unk_id]:
            return ids, [whole] * len(ids)
        lengths = accumulate((len(piece.value) for piece in pieces), initial=0)
        return ids, list(pairwise(lengths))
