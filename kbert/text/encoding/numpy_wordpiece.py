"""WordPiece for many texts at once, in numpy: the same ids as the engine's, several times as fast.

All words walk through one trie together, a character at a time. Their characters stand in one
array, and the first character of each word is marked; so are the first edges of the pieces that
begin a word. So a walk ends by itself where the next word begins, and nobody needs to ask which
pieces are `##` pieces:

    국회에 나   ->   [국* 회 에 나*]         (* marked)
    pieces   국회 ##에 나   ->   paths   국* 회 | 에 | 나*

What BERT's cleaning makes of a character, and whether it stands alone, is asked of the engine
once, when the character is first met. So there is no table of Unicode here that could differ.

Shapes: C characters of all texts, S those within words, W words, T tokens.
"""

from itertools import chain

import numpy as np

from kbert.errors import KbertError
from kbert.text.encoding.characters import written_out
from kbert.text.encoding.pieces import Pieces, concatenate, in_blocks, ranges
from kbert.text.encoding.rust import Model
from kbert.text.encoding.trie import Trie
from kbert.text.encoding.whole_tokens import WholeTokens
from kbert.text.korean.normalize import may_compose, nfc
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH

_UNMET, _LETTER, _ALONE, _SPACE, _DELETED, _SEVERAL = range(6)  # what a character is
_CODES = 0x110000  # Unicode's code points; special tokens are numbered from here on


class BulkWordPiece:
    """Encodes many texts at once.

    Args:
        model: of WordPiece.
    """

    def __init__(self, model: Model):
        ids, tokens = model.ids, [token.content for token in model.whole_tokens]
        self._engine, self._unk_id = model.engine, model.unk_id
        self._spellings = model.spellings
        self._whole = WholeTokens(model.whole_tokens, model.engine.normalizer)
        letters = sorted({*chain.from_iterable(ids), *tokens})  # the characters of paths
        self._numbers = {letter: number for number, letter in enumerate(letters, start=1)}
        self._mark = len(letters) + 1  # added to the number of a word's first character
        self._kinds = np.zeros(_CODES + len(tokens), np.uint8)
        self._chars = np.zeros(_CODES + len(tokens), np.int32)
        self._may_compose = np.zeros(_CODES, bool)
        self._may_begin_token = np.zeros(_CODES, bool)
        self._kinds[_CODES:] = _ALONE
        self._chars[_CODES:] = [self._numbers[token] for token in tokens]
        self._several: dict[int, list[tuple[int, int]]] = {}  # the kinds and chars one becomes

        self._trie = Trie(
            [
                *(self._path(token) for token in ids if token),
                *([self._numbers[token] + self._mark] for token in tokens),
            ],
            [*(ids[token] for token in ids if token), *(ids[token] for token in tokens)],
            2 * self._mark,
        )

    def _path(self, token: str) -> list[int]:
        begins = not token.startswith(CONTINUATION) or token == CONTINUATION
        path = [self._numbers[c] for c in (token if begins else token[len(CONTINUATION) :])]
        return [path[0] + self._mark, *path[1:]] if begins else path

    def encode(
        self, texts: list[str], wanted: set[str], *, compose: bool = True
    ) -> tuple[Pieces, list[str], list[int]]:
        """The pieces of texts, half a million characters at a time.

        Memory: some 60 bytes a character, of at least one whole text.

        Args:
            texts: any number.
            wanted: which of "offsets" and "word_ids" to give.
            compose: whether to bring texts into NFC first.

        Returns:
            The pieces; the texts that offsets point into, composed if asked; and which of them are
            for the engine, for the pieces of these are wrong (see `WholeTokens.find`).

        Raises:
            TypeError, KbertError: if something is no text or cannot be one.
        """
        blocks, normal, others = [], [], []
        for block in in_blocks(texts):
            pieces, composed, left = self._encode_block(block, wanted, compose)
            blocks.append(pieces)
            others += [len(normal) + i for i in left]
            normal += composed
        return concatenate(blocks), normal, others

    def _encode_block(
        self, texts: list[str], wanted: set[str], compose: bool
    ) -> tuple[Pieces, list[str], list[int]]:
        text_starts, codes = _join(texts)
        kinds = self._kinds_of(codes)
        doubtful = np.flatnonzero(self._may_compose[codes])
        if compose and len(doubtful):
            which = np.unique(np.searchsorted(text_starts, doubtful, side="right") - 1).tolist()
            composed = {i: nfc(texts[i]) for i in which}
            if any(text != texts[i] for i, text in composed.items()):
                texts = [composed.get(i, text) for i, text in enumerate(texts)]
                text_starts, codes = _join(texts)
                kinds = self._kinds_of(codes)
        token_starts, token_lengths, others = self._cut_tokens(texts, text_starts, codes)
        if len(token_starts):
            kinds = self._kinds_of(codes)
        chars = self._chars[codes]
        source = None  # where in the texts each character comes from, if not from the same offset
        if kinds.max(initial=0) >= _DELETED:
            kinds, chars, source = self._rewrite(codes, kinds, chars)

        letter = kinds == _LETTER
        begin = kinds == _ALONE
        begin |= letter
        inside = np.flatnonzero(begin)  # (S,) the characters of words
        begin[1:] &= ~(letter[1:] & letter[:-1])
        chars = chars[inside] + begin[inside] * np.int32(self._mark)
        chars = np.append(chars, np.int32(self._mark))  # a word begins behind the last one
        words = np.flatnonzero(begin[inside])  # (W,) where each begins
        ids = self._match(chars, words)  # (S,) -1 where no piece begins

        starts = np.flatnonzero(ids >= 0)  # (T,)
        source = inside if source is None else source[inside]
        begins = source[starts]
        text_of_token = np.searchsorted(begins, text_starts)
        columns = {}
        if "offsets" in wanted:
            last = source[np.append(starts[1:], len(inside))[: len(starts)] - 1]  # of each piece
            ends = last + 1
            ends[np.searchsorted(begins, token_starts)] += token_lengths - 1
            before = np.repeat(text_starts[:-1], np.diff(text_of_token))
            columns["offsets"] = np.stack([begins - before, ends - before], 1).astype(np.int32)
        if "word_ids" in wanted:
            word = np.searchsorted(words, starts, side="right") - 1
            first = np.searchsorted(source[words], text_starts[:-1])
            columns["word_ids"] = (word - np.repeat(first, np.diff(text_of_token))).astype(np.int32)
        return Pieces(ids[starts], text_of_token.astype(np.int64), columns), texts, others

    def _kinds_of(self, codes: np.ndarray) -> np.ndarray:
        """(C,) what each character is."""
        kinds = self._kinds[codes]
        if kinds.all():
            return kinds
        self._meet(np.unique(codes[kinds == _UNMET]))
        return self._kinds[codes]

    def _cut_tokens(
        self, texts: list[str], text_starts: np.ndarray, codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Writes each whole token's code over it.

        Returns:
            Where the tokens begin, their lengths, and the texts whose tokens cannot be cut out.
        """
        doubtful = np.flatnonzero(self._may_begin_token[codes])
        which = np.unique(np.searchsorted(text_starts, doubtful, side="right") - 1).tolist()
        found, others = [], []
        for i, tokens in zip(which, self._whole.find([texts[i] for i in which]), strict=True):
            if tokens is None:
                others.append(i)
            else:
                before = int(text_starts[i])
                found += [(before + a, before + b, _CODES + number) for a, b, number in tokens]
        starts, ends, tokens = np.array(found, np.int64).reshape(-1, 3).T
        codes[ranges(starts, ends - starts)] = 0  # a NUL is deleted
        codes[starts] = tokens
        return starts, ends - starts, others

    def _match(self, chars: np.ndarray, words: np.ndarray) -> np.ndarray:
        """(S,) at each offset where a piece begins its id, and -1 elsewhere."""
        ids = np.full(len(chars) - 1, -1, np.int32)
        lengths = np.diff(words, append=len(ids))
        unknown = lengths > MAX_WORD_LENGTH
        word = np.flatnonzero(~unknown)
        offset, end = words[word], words[word] + lengths[word]
        while len(word):
            value, length = self._trie.longest(chars, offset)
            ids[offset] = value
            offset = offset + length
            unknown[word[length == 0]] = True
            more = np.flatnonzero((length > 0) & (offset < end))
            word, offset, end = word[more], offset[more], end[more]
        ids[ranges(words[unknown], lengths[unknown])] = -1
        ids[words[unknown]] = self._unk_id
        return ids

    # What a character is.

    def _rewrite(
        self, codes: np.ndarray, kinds: np.ndarray, chars: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Drops what is deleted and writes out what becomes several characters."""
        counts = np.ones(len(codes), np.int64)
        counts[kinds == _DELETED] = 0
        several = np.flatnonzero(kinds == _SEVERAL)
        which, inverse = np.unique(codes[several], return_inverse=True)
        found = [self._several[code] for code in which.tolist()]
        sizes = np.array([len(each) for each in found], np.int64)
        counts[several] = sizes[inverse]
        source = np.repeat(np.arange(len(codes)), counts)
        kinds, chars = kinds[source], chars[source]
        offsets = np.flatnonzero(kinds == _SEVERAL)
        written = ranges((np.cumsum(sizes) - sizes)[inverse], sizes[inverse])
        flat = np.array([*chain.from_iterable(found)], np.int32).reshape(-1, 2)
        kinds[offsets], chars[offsets] = flat[written].T
        return kinds, chars, source

    def _meet(self, codes: np.ndarray) -> None:
        """Asks the engine what it makes of characters."""
        characters = [*map(chr, codes.tolist())]
        kinds, chars, may_begin = [], [], []
        raw, cleaned = self._whole.firsts, self._whole.firsts_normalized
        for character, written in written_out(self._engine, characters).items():
            may_begin.append(character in raw or not cleaned.isdisjoint(written))
            written = self._spellings.get(ord(character), written)
            if written == character != " ":
                found = [(_LETTER, self._numbers.get(written, 0))]
            else:
                found = [
                    (_SPACE if c == " " else _LETTER, self._numbers.get(c, 0)) for c in written
                ]
            if len(found) == 3 and written[0] == written[2] == " ":
                found = [(_ALONE, found[1][1])]
            if len(found) > 1:
                self._several[ord(character)] = found
            kind, char = found[0] if len(found) == 1 else (_SEVERAL if found else _DELETED, 0)
            kinds.append(kind)
            chars.append(char)
        self._chars[codes] = chars
        self._may_begin_token[codes] = may_begin
        self._may_compose[codes] = [*map(may_compose, characters)]
        self._kinds[codes] = kinds  # last: another thread that sees them finds the rest


def _join(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Where each text begins and where the last ends (N + 1,), and the codes of all (C,)."""
    try:
        codes = np.frombuffer("\n".join([*texts, ""]).encode("utf-32-le"), "<i4").astype(np.int32)
    except UnicodeEncodeError as error:
        raise KbertError(f"a text holds a lone surrogate ({error})") from None
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return np.concatenate([[0], np.cumsum(lengths + 1)]), codes
