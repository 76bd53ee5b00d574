"""Text to ids and back: WordPiece as BERT does it.

    text -> NFC -> BERT's cleaning -> words (at spaces and punctuation) -> longest pieces first
         -> [CLS] first [SEP] second [SEP] -> truncated, padded numpy arrays

The engine is Hugging Face's `tokenizers` (Rust). Composition, errors, pairs, truncation, padding,
offsets into the original string and the reading of what is glued to a [MASK] are here.

Shapes: B batch, L length in tokens, special tokens included.
Source: google-research/bert, tokenization.py; Wu et al. 2016, section 4.1 (WordPiece).
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tokenizers

from kbert.errors import KbertError
from kbert.text.normalize import nfc, nfc_alignment
from kbert.text.rows import Pieces, Span, join_row, pad_rows
from kbert.text.vocabulary import (
    CONTINUATION,
    MAX_WORD_LENGTH,
    SPECIAL_TOKENS,
    check_unique,
    count_words,
    read_vocabulary,
    train_vocabulary,
    write_vocabulary,
)

SETTINGS_FILE = "tokenizer_settings.json"
VOCABULARY_FILE = "vocab.txt"

Texts = str | list[str]


class Tokenizer:
    """A WordPiece tokenizer for Korean.

    Args:
        vocabulary: the tokens; a token's place is its id. `##` marks a piece that continues a word.
        lowercase: whether to lowercase. It never takes Hangul apart.
        strip_accents: whether to drop accents (é -> e). BERT's way of doing it decomposes Hangul
            into jamo, which no Korean vocabulary has, so it is off unless a checkpoint says so;
            None means "as lowercase", as in Hugging Face's files.
        split_cjk: whether each Chinese character (hanja) is a word of its own.

    Raises:
        KbertError: if the vocabulary lacks a special token or has a token twice.

    Example:
        >>> tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "국회", "##에"])
        >>> tokenizer.tokenize("국회에 [MASK]")
        ['국회', '##에', '[MASK]']
        >>> tokenizer("국회에", "국회", max_length=8)["input_ids"]
        array([[2, 5, 6, 3, 5, 3]], dtype=int32)
    """

    def __init__(
        self,
        vocabulary: Iterable[str],
        *,
        lowercase: bool = False,
        strip_accents: bool | None = False,
        split_cjk: bool = True,
    ):
        self.vocabulary = list(vocabulary)
        check_unique(self.vocabulary, "vocabulary")
        self._ids = {token: index for index, token in enumerate(self.vocabulary)}
        missing = [token for token in SPECIAL_TOKENS if token not in self._ids]
        if missing:
            raise KbertError(
                f"the vocabulary has no {', '.join(missing)}; a BERT vocabulary of "
                f"{len(self.vocabulary)} tokens needs all of {' '.join(SPECIAL_TOKENS)}"
            )
        special_ids = [self._ids[token] for token in SPECIAL_TOKENS]
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = special_ids
        self.special_ids = tuple(special_ids)
        self.lowercase, self.strip_accents, self.split_cjk = lowercase, strip_accents, split_cjk
        self._engine = self._build_engine()
        self._decoder = tokenizers.decoders.WordPiece(prefix=CONTINUATION, cleanup=True)

    def _build_engine(self) -> tokenizers.Tokenizer:
        engine = tokenizers.Tokenizer(
            tokenizers.models.WordPiece(
                self._ids, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD_LENGTH
            )
        )
        engine.normalizer = tokenizers.normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.split_cjk,
            strip_accents=self.strip_accents,
            lowercase=self.lowercase,
        )
        engine.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        engine.add_special_tokens(list(SPECIAL_TOKENS))
        return engine

    # Files.

    @classmethod
    def from_file(cls, path: str | Path, **settings: Any) -> "Tokenizer":
        """Reads a `vocab.txt`, or a folder that `save` wrote.

        Args:
            path: the file or folder.
            **settings: the constructor's; in a folder they default to those it was saved with.

        Raises:
            KbertError: if there is no such file or folder, or it holds no vocabulary.
        """
        path = Path(path)
        if path.is_dir():
            saved = path / SETTINGS_FILE
            if saved.is_file():
                settings = {**parse_settings(saved.read_bytes(), str(saved)), **settings}
            path = path / VOCABULARY_FILE
        if not path.is_file():
            raise KbertError(
                f"{path}: no such file; expected a vocab.txt, or a folder that has one"
            )
        return cls(read_vocabulary(path), **settings)

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, *, lowercase: bool = False, **settings: Any
    ) -> "Tokenizer":
        """Trains a vocabulary on texts; see `train_vocabulary` for its settings and errors."""
        words = count_words(texts, lowercase=lowercase)
        return cls(train_vocabulary(words, vocab_size, **settings), lowercase=lowercase)

    def save(self, folder: str | Path) -> None:
        """Writes `vocab.txt` and the settings into a folder, which is made if need be."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_vocabulary(self.vocabulary, folder / VOCABULARY_FILE)
        settings = json.dumps(self.settings, indent=2) + "\n"
        (folder / SETTINGS_FILE).write_text(settings, encoding="utf-8", newline="\n")

    @property
    def settings(self) -> dict[str, bool | None]:
        """What was set beside the vocabulary, by the constructor's names."""
        names = ("lowercase", "strip_accents", "split_cjk")
        return {name: getattr(self, name) for name in names}

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"Tokenizer({len(self)} tokens, {settings})"

    # Text to ids.

    def tokenize(self, text: str) -> list[str]:
        """Cuts a text into tokens, without [CLS] and [SEP]."""
        return [self.vocabulary[i] for i in self.encode([text])[0]]

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Turns texts into lists of ids, without [CLS] and [SEP]: a corpus's way to its ids."""
        composed = [nfc(text) for text in texts]
        batch = self._engine.encode_batch_fast(composed, add_special_tokens=False)
        return [encoding.ids for encoding in batch]

    def __call__(
        self,
        text: Texts,
        pair: Texts | None = None,
        *,
        max_length: int | None = None,
        truncation: Literal["longest_first", "only_second", "never"] = "longest_first",
        pad_to_multiple_of: int = 1,
        pad_to_length: int | None = None,
        glued_to_mask: Literal["word", "continuation"] = "word",
        return_offsets: bool = False,
    ) -> dict[str, np.ndarray]:
        """Turns texts, or pairs of texts, into the arrays that a BERT takes.

        Args:
            text: a text, or a list of B texts.
            pair: the second text of each, or None.
            max_length: the most tokens a row may have, [CLS] and [SEP] included.
            truncation: what to cut where a row is longer: the longer text first, or only the
                second; "never" makes it an error.
            pad_to_multiple_of: L is the longest row, rounded up to a multiple of this, but not
                beyond `max_length`.
            pad_to_length: L itself, where every batch must have one shape.
            glued_to_mask: how to read what follows a [MASK] without a space (`[MASK]에게`): as a
                new word, as BERT's tokenizer does, or as the continuation (`##에게`) that it is
                in running text.
            return_offsets: whether to add `offsets`.

        Returns:
            `input_ids`, `token_type_ids` (0 first text, 1 second, 0 padding) and `attention_mask`
            (1 token, 0 padding), each (B, L) int32; one text gives B = 1. On request `offsets`
            (B, L, 2): the (start, end) of each token in its own original text, (0, 0) for special
            tokens and padding.

        Raises:
            TypeError: if a text is not a string.
            KbertError: if the two lists differ in length, `max_length` leaves no room, or a row
                that may not be cut is longer.

        Example:
            >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "에", "##에", "국회"]
            >>> tokenizer = Tokenizer(tokens)
            >>> tokenizer("[MASK]에")["input_ids"]
            array([[2, 4, 5, 3]], dtype=int32)
            >>> tokenizer("[MASK]에", glued_to_mask="continuation")["input_ids"]
            array([[2, 4, 6, 3]], dtype=int32)
        """
        firsts = self._pieces(_as_list(text), glued_to_mask)
        seconds = None if pair is None else self._pieces(_as_list(pair), glued_to_mask)
        if seconds is not None and len(seconds) != len(firsts):
            raise KbertError(
                f"{len(firsts)} first texts and {len(seconds)} second texts do not pair"
            )
        rows = [
            join_row(first, second, self.cls_id, self.sep_id, max_length, truncation)
            for first, second in zip(firsts, seconds or [None] * len(firsts), strict=True)
        ]
        longest = max((len(ids) for ids, _, _ in rows), default=0)
        rounded = -(-longest // pad_to_multiple_of) * pad_to_multiple_of
        length = pad_to_length or min(rounded, max_length or rounded)
        batch = pad_rows(rows, length, self.pad_id)
        if not return_offsets:
            del batch["offsets"]
        return batch

    def _pieces(self, texts: list[str], glued_to_mask: str) -> list[Pieces]:
        """Ids and offsets of each text, without special tokens."""
        composed = [nfc(text) for text in texts]
        encodings = self._engine.encode_batch(composed, add_special_tokens=False)
        pieces = []
        for text, normal, encoding in zip(texts, composed, encodings, strict=True):
            ids, offsets = encoding.ids, encoding.offsets
            if glued_to_mask == "continuation":
                ids, offsets = self._continue_masks(normal, ids, offsets, encoding.word_ids)
            if normal is not text and normal != text:
                offsets = _original_offsets(text, offsets)
            pieces.append((ids, offsets))
        return pieces

    def _continue_masks(
        self, text: str, ids: list[int], spans: list[Span], word_ids: list[int | None]
    ) -> Pieces:
        """Reads a word glued to a [MASK] as its continuation: `[MASK]에게` -> `[MASK] ##에게`."""
        new_ids, new_spans, index = [], [], 0
        while index < len(ids):
            start, end = spans[index]
            glued = bool(new_ids) and new_ids[-1] == self.mask_id and new_spans[-1][1] == start
            if glued and text[start].isalnum():
                word = word_ids[index]
                while index < len(ids) and word_ids[index] == word:
                    end, index = spans[index][1], index + 1
                piece_ids, piece_spans = self._continuation_pieces(text[start:end])
                new_ids += piece_ids
                new_spans += [(start + begin, start + stop) for begin, stop in piece_spans]
            else:
                new_ids.append(ids[index])
                new_spans.append((start, end))
                index += 1
        return new_ids, new_spans

    def _continuation_pieces(self, text: str) -> Pieces:
        """The longest `##` pieces of a word's rest, from first to last; or [UNK]."""
        word = self._engine.normalizer.normalize_str(text)
        whole = (0, len(text))
        ids, spans, start = [], [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self._ids.get(CONTINUATION + word[start:end])
                if piece is not None:
                    break
            else:
                return [self.unk_id], [whole]
            ids.append(piece)
            spans.append((start, end) if len(word) == len(text) else whole)
            start = end
        return ids, spans

    # Ids to text.

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = True) -> str:
        """Turns ids into a text, with BERT's spacing: pieces joined, none before a full stop.

        Raises:
            KbertError: if an id is outside the vocabulary.
        """
        tokens = [self.token(index) for index in ids]
        if skip_special_tokens:
            tokens = [token for token in tokens if token not in SPECIAL_TOKENS]
        return self._decoder.decode(tokens)

    def token(self, index: int) -> str:
        """The token of an id."""
        if not 0 <= index < len(self):
            raise KbertError(
                f"id {index} is outside the vocabulary: ids go from 0 to {len(self) - 1}"
            )
        return self.vocabulary[index]

    def id(self, token: str) -> int:
        """The id of a token that the vocabulary has.

        Raises:
            KbertError: if it has no such token.
        """
        if token not in self._ids:
            raise KbertError(f"the vocabulary has no token {token!r}")
        return self._ids[token]


def _as_list(texts: Texts) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _original_offsets(text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offsets in nfc(text), as offsets in the text itself."""
    alignment = nfc_alignment(text)
    return [
        (alignment[start][0], alignment[end - 1][1]) if end > start else (0, 0)
        for start, end in offsets
    ]


def parse_settings(data: bytes, where: str) -> dict[str, Any]:
    """Reads the bytes of saved settings; `where` they come from is named in errors."""
    try:
        settings = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise KbertError(f"{where}: not a JSON file of tokenizer settings ({error})") from None
    known = {"lowercase", "strip_accents", "split_cjk"}
    if not isinstance(settings, dict) or set(settings) - known:
        raise KbertError(f"{where}: expected an object with {sorted(known)}, got {settings!r:.80}")
    if not all(value in (None, True, False) for value in settings.values()):
        raise KbertError(f"{where}: settings are true, false or null, not {settings!r:.80}")
    return settings
