"""Unigram models for many texts at once, in numpy: the same ids as the engine's, and faster.

The engine (`tokenizers`) normalises, which it does fast. Then all words look for their best path
together, an offset of each at a time (Viterbi): what is best up to an offset is known when all
before it are, and each piece that begins there may make a later one better.

    국회에  ->  ▁ 국 회 에          ▁국회 -7.1, 에 -4.2 (together -11.3), ▁국 -9.0, 회에 -12.5, ...
                0 1 2 3 4   best:  0 -7.9 -9.0 -7.1 -11.3, the last from offset 3

Of equals the path stays that was found first, in the engine's order, and sums are its sums. What
numpy is no good at is the engine's, too: words without end, texts with a ▁ of their own, tokens
that are looked for behind normalisation, and where pieces stand in what that changed.

Shapes: C characters of all texts, S those of words with a ▁ each, W words, T tokens, N texts.
Source: Kudo 2018, "Subword Regularization", section 3.2; Viterbi 1967.
"""

import re
from itertools import chain
from typing import NamedTuple

import numpy as np
import tokenizers

from kbert.text.encoding.pieces import Pieces, concatenate, in_blocks, taken
from kbert.text.encoding.rust import Model, pieces_of
from kbert.text.encoding.trie import Trie
from kbert.text.encoding.whole_tokens import WholeTokens
from kbert.text.sentencepiece import SPACE

_CODES = 0x110000  # Unicode's code points; special tokens are numbered from here on
_LONGEST = 64  # characters of a word: each takes a step of all words, so long ones go alone
_UNKNOWN = 10.0  # how much worse than the worst piece a character is that no piece covers
_CERTAIN = 1e30  # what special tokens score
_LINE_END = re.compile(r"(?<=[^\r]\n)")  # a \r\n may become something else
_BEGIN = 1  # the number of the ▁ before a word


class _Part(NamedTuple):
    """A part of a text: a whole token, or what is between two."""

    text: str  # as it is written
    form: str  # normalised; of a token a single character, which its code is written over
    token: int = -1  # its number
    is_theirs: bool = False  # the engine's, not numpy's


class BulkUnigram:
    """Encodes many texts at once.

    Args:
        model: with scores.
    """

    def __init__(self, model: Model):
        ids, scores = model.ids, model.scores or []
        tokens = [token.content for token in model.whole_tokens]
        engine = model.engine
        self._model, self._unk_id = model, model.unk_id
        self._normalize = engine.normalizer.normalize_str
        self._unigram = tokenizers.Tokenizer(engine.model)  # for a word as it is
        self._whole = WholeTokens(model.whole_tokens, engine.normalizer)
        self._is_normalized = [token.normalized for token in model.whole_tokens]
        self._spaces = [
            code
            for code in range(0x3001)
            if len(engine.pre_tokenizer.pre_tokenize_str(f"a{chr(code)}a")) == 2
        ]
        letters = sorted({*chain.from_iterable(ids)})
        numbers = {letter: number for number, letter in enumerate(letters, start=_BEGIN + 1)}
        self._chars = np.zeros(_CODES + len(tokens), np.int32)
        self._chars[[*map(ord, letters)]] = [*numbers.values()]
        own = len(letters) + _BEGIN + 1  # the first special token's number
        self._chars[_CODES:] = np.arange(own, own + len(tokens))
        pieces = [token for token in ids if token]
        self._scores = np.array([*scores, *[_CERTAIN] * len(tokens)])
        self._score_of_unknown = min(scores) - _UNKNOWN
        self._values = np.array([*range(len(scores)), *(ids[token] for token in tokens)], np.int32)
        self._trie = Trie(
            [
                *(
                    [_BEGIN if p == SPACE else numbers[p] for p in piece[:1]]
                    + [numbers[c] for c in piece[1:]]
                    for piece in pieces
                ),
                *([_BEGIN, own + number] for number in range(len(tokens))),
            ],
            [*(ids[piece] for piece in pieces), *range(len(scores), len(self._scores))],
            own + len(tokens),
        )

    def encode(self, texts: list[str], wanted: set[str]) -> Pieces:
        """The pieces of texts that are in their form already.

        Args:
            texts: any number.
            wanted: which of "offsets" and "word_ids" to give.
        """
        return concatenate([self._encode_block(block, wanted) for block in in_blocks(texts)])

    def _encode_block(self, texts: list[str], wanted: set[str]) -> Pieces:
        lists = self._parts(texts, "offsets" in wanted)
        parts = [*chain.from_iterable(lists)]
        theirs = np.array([part.is_theirs for part in parts], bool)
        asked = [part.text for part in parts if part.is_theirs]
        found = self._model.encode_with_offsets(asked)
        ours = [part for part in parts if not part.is_theirs]
        both = concatenate([self._cut(ours, wanted), pieces_of(found, wanted)])
        row = np.argsort(np.argsort(theirs, kind="stable"), kind="stable")  # (parts,)
        pieces = taken(both, row)
        sizes, ends, columns = pieces.lengths, pieces.starts, pieces.columns
        counts = np.fromiter(map(len, lists), np.int64, len(lists))  # (N,) parts of each text
        firsts = np.concatenate([[0], np.cumsum(counts)])

        def before(amounts: np.ndarray) -> np.ndarray:
            """(T, 1) what the parts of the same text before that of each token amount to."""
            total = np.concatenate([[0], np.cumsum(amounts)])
            return np.repeat(total[:-1] - np.repeat(total[firsts[:-1]], counts), sizes)[:, None]

        if "offsets" in wanted:
            lengths = np.array([len(part.text) for part in parts], np.int64)
            columns["offsets"] += before(lengths).astype(np.int32)
        if "word_ids" in wanted:
            words = np.zeros(len(parts), np.int64)
            full = sizes > 0
            words[full] = columns["word_ids"][ends[1:][full] - 1] + 1
            columns["word_ids"] += before(words)[:, 0].astype(np.int32)
        return Pieces(pieces.ids, ends[firsts], columns)

    def _parts(self, texts: list[str], exactly: bool) -> list[list[_Part]]:
        """Whole tokens and what is between them.

        Args:
            texts: any.
            exactly: whether it is asked where pieces stand. Then a part of which normalisation
                moves characters is the engine's; line by line, for few may be so.
        """
        lists: list[list[_Part]] = [[] for _ in texts]
        may_have = [i for i, text in enumerate(texts) if self._may_have_token(text)]
        tokens = dict(zip(may_have, self._whole.find([texts[i] for i in may_have]), strict=True))
        for i, (text, parts) in enumerate(zip(texts, lists, strict=True)):
            found = tokens.get(i, [])
            if found is None or any(self._is_normalized[number] for _, _, number in found):
                parts.append(_Part(text, "", is_theirs=True))
                continue
            end = 0
            for start, stop, number in found:
                parts += self._between(text[end:start], exactly)
                parts.append(_Part(text[start:stop], "\n", token=number))
                end = stop
            parts += self._between(text[end:], exactly)
        return lists

    def _may_have_token(self, text: str) -> bool:
        if not self._whole.firsts.isdisjoint(text):
            return True
        cleaned = self._whole.firsts_normalized
        return bool(cleaned) and not cleaned.isdisjoint(self._normalize(text))

    def _between(self, text: str, exactly: bool) -> list[_Part]:
        """The parts of a text without whole tokens."""
        part = self._part(text, exactly)
        if not part.is_theirs or not exactly or not self._model.breaks_at_lines:
            return [part]
        return [self._part(line, exactly) for line in _LINE_END.split(text)]

    def _part(self, text: str, exactly: bool) -> _Part:
        form = self._normalize(text)
        theirs = SPACE in form or self._score_of_unknown > 0
        moves = exactly and form not in (text, text.replace("\n", " "))
        return _Part(text, form, is_theirs=theirs or moves)

    def _cut(self, parts: list[_Part], wanted: set[str]) -> Pieces:
        """The pieces of parts without a ▁: whole tokens, and what is between them."""
        joined = "".join(f"{part.form}\n" for part in parts)
        codes = np.frombuffer(joined.encode("utf-32-le"), "<i4").astype(np.int32)  # (C,)
        lengths = np.array([len(part.form) for part in parts], np.int64)
        part_starts = np.concatenate([[0], np.cumsum(lengths + 1)])
        tokens = [i for i, part in enumerate(parts) if part.token >= 0]
        where = part_starts[tokens]
        codes[where] = [_CODES + parts[i].token for i in tokens]
        sizes = np.array([len(parts[i].text) for i in tokens], np.int64)
        letter = ~np.isin(codes, self._spaces)
        begin = letter.copy()
        begin[1:] &= ~letter[:-1]

        counts = letter + begin.astype(np.int64)
        source = np.repeat(np.arange(len(codes)), counts)  # (S,)
        words = (np.cumsum(counts) - counts)[begin]  # (W,) where each begins
        chars = self._chars[codes[source]]
        chars[words] = _BEGIN
        ids = self._best(np.append(chars, np.int32(_BEGIN)), words)
        long = np.flatnonzero(np.diff(words, append=len(source)) > _LONGEST)
        ends = np.append(words, len(source))[long + 1]
        spans = zip(source[words[long]].tolist(), (source[ends - 1] + 1).tolist(), strict=True)
        texts = [SPACE + joined[start:end] for start, end in spans]
        self._write_long(ids, words[long].tolist(), texts, "offsets" in wanted)

        begins = np.flatnonzero(ids >= 0)  # (T,)
        text_of_token = np.searchsorted(source[begins], part_starts)
        columns = {}
        if "offsets" in wanted:
            ends = source[np.append(begins[1:], len(source))[: len(begins)] - 1] + 1
            ends[np.searchsorted(source[begins], where)] += sizes - 1
            before = np.repeat(part_starts[:-1], np.diff(text_of_token))
            spans = np.stack([source[begins] - before, ends - before], 1)
            columns["offsets"] = spans.astype(np.int32)
        if "word_ids" in wanted:
            word = np.searchsorted(words, begins, side="right") - 1
            first = np.searchsorted(source[words], part_starts[:-1])
            columns["word_ids"] = (word - np.repeat(first, np.diff(text_of_token))).astype(np.int32)
        return Pieces(ids[begins], text_of_token.astype(np.int64), columns)

    def _best(self, chars: np.ndarray, words: np.ndarray) -> np.ndarray:
        """(S,) at each offset where a piece begins its id, and -1 elsewhere and in long words."""
        size = len(chars) - 1
        ids = np.full(size, -1, np.int32)
        lengths = np.diff(words, append=size)
        short = np.flatnonzero(lengths <= _LONGEST)
        short = short[
            np.argsort(-lengths[short], kind="stable")
        ]  # those with an offset i come first
        first, length = words[short], lengths[short]
        score = np.full(size + 1, -np.inf)  # of the best path that ends at an offset,
        last = np.zeros(size + 1, np.int64)  # where its last piece begins, and which that is
        piece = np.zeros(size + 1, np.int32)

        def reach(offset: np.ndarray, begin: np.ndarray, total: np.ndarray, value) -> None:
            better = np.flatnonzero(total > score[offset])
            offset = offset[better]
            score[offset], last[offset] = total[better], begin[better]
            piece[offset] = value if np.isscalar(value) else value[better]

        for step in range(int(length.max(initial=0))):
            begin = first[: np.searchsorted(-length, -step)] + step
            before = score[begin] if step else np.zeros(len(begin))
            alone = np.zeros(len(begin), bool)
            for depth, which, value in self._trie.walk(chars, begin):
                reach(
                    begin[which] + depth, begin[which], self._scores[value] + before[which], value
                )
                if depth == 1:
                    alone[which] = True
            none = np.flatnonzero(~alone)
            total = self._score_of_unknown + before[none]
            reach(begin[none] + 1, begin[none], total, self._unk_id)

        offset = first + length
        while len(offset):
            begin = last[offset]
            ids[begin] = self._values[piece[offset]]
            more = np.flatnonzero(begin > first)
            offset, first = begin[more], first[more]
        pieces = np.flatnonzero(ids >= 0)
        unknown = ids[pieces] == self._unk_id
        joins = unknown[1:] & unknown[:-1] & (chars[pieces[1:]] != _BEGIN)
        ids[pieces[1:][joins]] = -1  # what no piece covers is one [UNK]
        return ids

    def _write_long(
        self, ids: np.ndarray, words: list[int], texts: list[str], exactly: bool
    ) -> None:
        """Writes the pieces of long words into `ids`: where they begin, or one behind the other."""
        encode = self._unigram.encode_batch if exactly else self._unigram.encode_batch_fast
        for word, found in zip(words, encode(texts, add_special_tokens=False), strict=True):
            here = found.ids
            starts = [start for start, _ in found.offsets] if exactly else range(len(here))
            ids[word + np.fromiter(starts, np.int64)] = here
