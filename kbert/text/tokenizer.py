"""Text to ids and back: WordPiece as BERT does it, unigram models, and byte-level BPE.

    text -> NFC -> BERT's cleaning -> words (at spaces and punctuation) -> longest pieces first
         -> [CLS] first [SEP] second [SEP] -> truncated, padded numpy arrays

The pieces come from `encoding/encoder.py`, the rows from `encoding/rows.py`; files are read by
`files/reader.py`; here they meet.

Shapes: B rows, L length in tokens, special tokens included.
Source: google-research/bert, tokenization.py; Wu et al. 2016, section 4.1 (WordPiece).
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Never

import numpy as np
import tokenizers

from kbert.errors import KbertError, counted
from kbert.text import special_tokens as roles
from kbert.text.encoding.byte_level import ByteDecoder
from kbert.text.encoding.decoder import Decoder
from kbert.text.encoding.encoder import Encoder
from kbert.text.encoding.pieces import Pieces
from kbert.text.encoding.rows import RowForm, make_rows
from kbert.text.encoding.rust import Model, build_engine
from kbert.text.encoding.whole_tokens import check_findable
from kbert.text.files import huggingface_files, own_files
from kbert.text.files.added_tokens import Entry, parse_added, with_roles, written_added
from kbert.text.files.reader import read_tokenizer
from kbert.text.korean.jamo import fallback_spellings
from kbert.text.korean.morphemes import Analyser
from kbert.text.korean.normalize import (
    Form,
    check_settings,
    check_texts,
    nfc,
    normalize,
    replacements_of,
)
from kbert.text.learning.vocabulary_trainer import train_vocabulary
from kbert.text.learning.word_counts import count_words
from kbert.text.merges import check_merges
from kbert.text.vocabulary import numbered

Texts = str | list[str]

_THEIRS = {  # arguments of transformers' tokenizers -> what kbert has instead
    "padding": ": rows are padded to the longest; pad_to_length=128 pads all to one length",
    "return_tensors": ": the arrays are numpy's, which models take on every backend",
    "text_pair": ": the second texts are pair=",
    "add_special_tokens": ": ids without [CLS] and [SEP] are tokenizer.encode([text])",
    "return_offsets_mapping": ": it is return_offsets=True",
    "return_overflowing_tokens": ": with a stride= all windows of a text are given",
    "return_special_tokens_mask": ": the ids of special tokens are tokenizer.special_ids",
    "return_attention_mask": ": it is always given",
    "return_token_type_ids": ": they are always given",
    "is_split_into_words": (
        ": join the words with spaces; return_eojeol_ids=True then tells which a token is of"
    ),
}


class Tokenizer:
    """A tokenizer for Korean: WordPiece; a unigram model, by its scores; or BPE, by its merges.

    Args:
        vocabulary: the tokens; a token's index is its id. In WordPiece `##` marks a piece that
            continues a word; in a unigram model `▁` marks one that begins it.
        lowercase: whether to lowercase. It never takes Hangul apart.
        strip_accents: whether to drop accents (é -> e). BERT's way of doing it decomposes Hangul
            into jamo, which no Korean vocabulary has, so it is off unless a checkpoint says so;
            None means "as lowercase", as in Hugging Face's files.
        split_cjk: whether each Chinese character (hanja) is a word of its own (WordPiece only).
        special_tokens: how the vocabulary spells the roles "pad", "unk", "cls", "sep", "mask";
            BERT's [PAD] and so on where a role is left out.
        added_tokens: other tokens of the vocabulary that are cut out of a text whole: texts, or
            `tokenizers.AddedToken`s, or objects such as `{"content": "<e>", "lstrip": True}`; with
            the flags of a token that has a role, too. See `text/added_tokens.py`.
        roberta_pairs: whether two texts are joined as RoBERTa joins them, without segments:
            `<s> A </s></s> B </s>`.
        form: "NFC", or "NFKD" for a vocabulary of jamo.
        rules: which of "middle_dots", "fillers" and "width" to follow; see `korean/normalize.py`.
        jamo_fallback: whether a syllable that the vocabulary lacks, at the beginning of words or
            within, is spelt with its jamo, which the vocabulary then has; see `korean/jamo.py`.
        scores: the log-probability of each token, of a unigram model; else None.
        charsmap: a unigram model's own table of normalisation.
        merges: of byte-level BPE (ModernBERT), which two tokens become one, the most frequent
            first; else None. Without scores and merges it is WordPiece.

    Raises:
        KbertError: if the vocabulary lacks a special or added token or has a token twice, or a
            setting is none of those named.

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
        special_tokens: Mapping[str, str] | None = None,
        added_tokens: Iterable[Entry] = (),
        roberta_pairs: bool = False,
        form: Form = "NFC",
        rules: Iterable[str] = (),
        jamo_fallback: bool = False,
        scores: Iterable[float] | None = None,
        charsmap: bytes = b"",
        merges: Iterable[tuple[str, str]] | None = None,
    ):
        self.vocabulary = list(vocabulary)
        self._ids = numbered(self.vocabulary)
        self.special_tokens = roles.complete(special_tokens)
        self._added = parse_added(added_tokens)
        self.added_tokens, self.rules = tuple(t.content for t in self._added), tuple(rules)
        roles.check_present(self._ids, self.special_tokens, self.added_tokens)
        self.whole_tokens = with_roles(self.special_tokens, self._added)
        check_settings(form, self.rules)
        special_ids = [self._ids[token] for token in self.special_tokens.values()]
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = special_ids
        self.special_ids = tuple(special_ids)
        self.lowercase, self.strip_accents, self.split_cjk = lowercase, strip_accents, split_cjk
        self.roberta_pairs = roberta_pairs
        self.form: Form = form
        self.scores = None if scores is None else list(scores)
        self.charsmap = charsmap
        self.merges = None if merges is None else check_merges(merges)
        if self.merges is not None and (lowercase or strip_accents or jamo_fallback or scores):
            raise KbertError(
                "byte-level BPE reads a text as it is: merges go without lowercase, strip_accents, "
                "jamo_fallback and scores"
            )
        self.jamo_fallback = jamo_fallback
        composed = self.is_wordpiece and form == "NFC"
        self.spellings = (
            fallback_spellings(self._ids, self.added_tokens, composed) if jamo_fallback else {}
        )
        self._engine = self._build_engine()
        check_findable(self.whole_tokens, self._engine.normalizer)
        normalized = [self._ids[t.content] for t in self.whole_tokens if t.normalized]
        self._decoder = (
            Decoder(self._engine, self.token, normalized)
            if self.merges is None
            else ByteDecoder(self._engine, self.token)
        )
        self._silent_ids = [self._ids[t.content] for t in self.whole_tokens if t.special]
        model = Model(
            engine=self._engine,
            ids=self._ids,
            scores=self.scores,
            merges=self.merges,
            unk_id=self.unk_id,
            whole_tokens=self.whole_tokens,
            spellings=self.spellings,
        )
        self._encoder = Encoder(model, self.mask_id, form, self.rules)

    def _build_engine(self) -> tokenizers.Tokenizer:
        return build_engine(
            self.vocabulary,
            self.scores,
            self.charsmap,
            merges=self.merges,
            unk_id=self.unk_id,
            lowercase=self.lowercase,
            strip_accents=self.strip_accents,
            split_cjk=self.split_cjk,
            whole_tokens=self.whole_tokens,
        )

    @property
    def is_wordpiece(self) -> bool:
        """Whether pieces are WordPiece's, and not a unigram model's or byte-level BPE's."""
        return self.scores is None and self.merges is None

    @property
    def mask_token(self) -> str:
        """What stands for a blank in a text."""
        return self.special_tokens["mask"]

    @property
    def separators(self) -> int:
        """How many [SEP] stand between two texts."""
        return 2 if self.roberta_pairs else 1

    # Files.

    @classmethod
    def from_file(cls, path: str | Path, **settings: Any) -> "Tokenizer":
        """Reads a tokenizer.

        Args:
            path: a `vocab.txt`; a `tokenizer.json`; a SentencePiece file (`.model`); a folder that
                `save` wrote; a checkpoint's folder as Hugging Face has it; or a `.keras` file, of
                which only the tokenizer is read.
            **settings: the constructor's; they default to what the file says.

        Raises:
            KbertError: if there is no such file or folder, it holds no vocabulary, or is damaged.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회".split()).save(folder)
            ...     Tokenizer.from_file(folder).tokenize("국회")
            ['국회']
        """
        return cls(**{**read_tokenizer(Path(path)), **settings})

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        *,
        lowercase: bool = False,
        jamo_fallback: bool = False,
        morphemes: Analyser | None = None,
        min_count: int = 1,
        processes: int = 1,
        **settings: Any,
    ) -> "Tokenizer":
        """Trains a vocabulary on texts.

        Args:
            texts: texts of any length; an iterator is read once.
            vocab_size: tokens wanted.
            lowercase: whether to lowercase, now and in use.
            jamo_fallback: whether syllables beyond the alphabet are spelt with their jamo, now and
                in use.
            morphemes: see `count_words`; the characters of morphemes get both positions
                (`both_positions`), unless that is set.
            min_count: see `count_words`.
            processes: see `count_words`.
            **settings: those of `train_vocabulary`.

        Raises:
            KbertError: as `count_words` and `train_vocabulary`.

        Example:
            >>> tokenizer = Tokenizer.train(["국회의 국회는 국회다"], vocab_size=11)
            >>> tokenizer.tokenize("국회의")
            ['국회', '##의']
        """
        words = count_words(
            texts,
            lowercase=lowercase,
            morphemes=morphemes,
            min_count=min_count,
            processes=processes,
        )
        settings = {"both_positions": morphemes is not None, **settings}
        vocabulary = train_vocabulary(words, vocab_size, jamo_fallback=jamo_fallback, **settings)
        return cls(vocabulary, lowercase=lowercase, jamo_fallback=jamo_fallback)

    def save(self, folder: str | Path) -> None:
        """Writes everything into a folder, which is made if need be, for `from_file`.

        Raises:
            KbertError: if a token holds a line break.
        """
        own_files.write_folder(
            folder, self.vocabulary, self.settings, self.scores, self.charsmap, self.merges
        )

    def save_huggingface(self, folder: str | Path) -> None:
        """Writes the files that transformers' `AutoTokenizer.from_pretrained(folder)` reads.

        Its tokenizer gives the same ids, but for text that is not composed (NFC): where the
        settings are a `BertTokenizer`'s, it is one, and that class composes nothing.

        Raises:
            KbertError: with `jamo_fallback`, for which `tokenizers` has no quick step.
        """
        if self.jamo_fallback:
            raise KbertError(
                "Hugging Face's tokenizers cannot spell some syllables with jamo and others not: "
                "save a tokenizer with jamo_fallback in kbert's own files (Tokenizer.save)"
            )
        huggingface_files.write_folder(
            folder,
            self._build_engine(),
            self.vocabulary,
            self.settings,
            self.special_tokens,
            is_wordpiece=self.is_wordpiece,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What was set beside vocabulary, scores, charsmap and merges, by the constructor's names.

        What is as BERT has it is left out, so that an older kbert reads the files of such a one.
        """
        always = ("lowercase", "strip_accents", "split_cjk")
        settings: dict[str, Any] = {name: getattr(self, name) for name in always}
        if self.special_tokens != roles.BERT:
            settings["special_tokens"] = self.special_tokens
        if self.form != "NFC":
            settings["form"] = self.form
        given = {
            "added_tokens": [*map(written_added, self._added)],
            "rules": list(self.rules),
            "roberta_pairs": self.roberta_pairs,
            "jamo_fallback": self.jamo_fallback,
        }
        return settings | {name: value for name, value in given.items() if value}

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"Tokenizer({len(self)} tokens, {settings})"

    # Text to ids.

    def tokenize(self, text: str) -> list[str]:
        """Cuts a text into tokens, without [CLS] and [SEP]."""
        return [self.vocabulary[i] for i in self.encode([text])[0]]

    def words(self, text: str) -> list[str]:
        """Cleans a text and cuts it into words, which pieces never cross; nothing is cut out whole.

        Example:
            >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK]".split(), lowercase=True)
            >>> tokenizer.words("국회에 COVID-19")
            ['국회에', 'covid', '-', '19']
        """
        text = normalize(text, self.form, replacements_of(self.rules)).translate(self.spellings)
        cleaned = self._engine.normalizer.normalize_str(text)
        return [word for word, _ in self._engine.pre_tokenizer.pre_tokenize_str(cleaned)]

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Turns texts into lists of ids, without [CLS] and [SEP]."""
        ids, starts = self.encode_flat(texts)
        return [ids[start:end].tolist() for start, end in pairwise(starts.tolist())]

    def encode_flat(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Turns many texts into one array of ids, without [CLS] and [SEP]: a corpus's way.

        Returns:
            (T,) int32 ids, and (N + 1,) int64 starts: text i has the ids from starts[i] to
            starts[i + 1] - 1.

        Example:
            >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "국회", "##에"]
            >>> Tokenizer(tokens).encode_flat(["국회에", "", "국회"])
            (array([5, 6, 5], dtype=int32), array([0, 2, 2, 3]))
        """
        pieces = self.encode_pieces(texts)
        return pieces.ids, pieces.starts

    def encode_pieces(self, texts: list[str], columns: Collection[str] = ()) -> Pieces:
        """Turns many texts into one array of ids, as `encode_flat`, and tells where they stand.

        Args:
            texts: any number.
            columns: which of "offsets", "word_ids" and "eojeol_ids" to give; see `__call__`.

        Raises:
            KbertError: if there is no such column, or a text is none.

        Example:
            >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "국회", "##에"]
            >>> Tokenizer(tokens).encode_pieces(["국회에 국회"], ["eojeol_ids"]).columns
            {'eojeol_ids': array([0, 0, 1], dtype=int32)}
        """
        return self._encoder.pieces(list(check_texts(texts)), columns)

    def __call__(
        self,
        text: Texts,
        pair: Texts | None = None,
        *,
        max_length: int | None = None,
        truncation: Literal["longest_first", "only_second", "never"] = "longest_first",
        stride: int | None = None,
        pad_to_multiple_of: int = 1,
        pad_to_length: int | None = None,
        glued_to_mask: Literal["word", "continuation"] = "word",
        return_offsets: bool = False,
        return_word_ids: bool = False,
        return_eojeol_ids: bool = False,
        **others: Never,
    ) -> dict[str, np.ndarray]:
        """Turns texts, or pairs of texts, into the arrays that a BERT takes.

        Args:
            text: a text, or a list of texts.
            pair: the second text of each, or None.
            max_length: the most tokens a row may have, special tokens included.
            truncation: what to cut where a row is longer: the longer text first, or only the
                second; "never" makes it an error.
            stride: None cuts what is too long; a number makes several rows (windows) of it, each
                beginning with the last `stride` tokens of the one before. Of a pair the second
                text is so divided, with truncation="only_second".
            pad_to_multiple_of: L is the longest row, rounded up to a multiple of this, but not
                beyond `max_length`.
            pad_to_length: L itself, where every batch must have one shape.
            glued_to_mask: how to read what follows a [MASK] without a space (`[MASK]에게`): as a
                new word, as BERT's tokenizer does, or as the continuation (`##에게`) that it is
                in running text.
            return_offsets: whether to add `offsets`.
            return_word_ids: whether to add `word_ids`.
            return_eojeol_ids: whether to add `eojeol_ids`.
            **others: none. Those of transformers' tokenizers are refused with kbert's own.

        Returns:
            `input_ids`, `token_type_ids` (0 first text, 1 second, 0 padding) and `attention_mask`
            (1 token, 0 padding), each (B, L) int32; one text gives B = 1. With a `stride` also
            `text_index` (B,), which text each row is of. On request:
            `offsets` (B, L, 2), the (start, end) of each token in its own original text;
            `word_ids` (B, L), the word, as Hugging Face counts: punctuation is its own;
            `eojeol_ids` (B, L), the word between spaces. Each counts from 0 in its own text;
            special tokens and padding have (0, 0) and -1.

        Raises:
            TypeError: if a text is not a string, or an argument is none of these.
            KbertError: if the two lists differ in length, `max_length` leaves no room, or a row
                that may not be cut is longer.

        Example:
            >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "에", "##에", "국회"]
            >>> tokenizer = Tokenizer(tokens)
            >>> tokenizer("[MASK]에")["input_ids"]
            array([[2, 4, 5, 3]], dtype=int32)
            >>> tokenizer("[MASK]에", glued_to_mask="continuation")["input_ids"]
            array([[2, 4, 6, 3]], dtype=int32)
            >>> tokenizer("국회 에 국회", max_length=4, stride=1)["input_ids"]
            array([[2, 7, 5, 3],
                   [2, 5, 7, 3]], dtype=int32)
        """
        for name in others:
            raise TypeError(
                f"a Tokenizer takes no {name}={others[name]!r:.40}"
                f"{_THEIRS.get(name, ': see help(Tokenizer.__call__)')}"
            )
        texts, seconds = _as_list(text), None if pair is None else _as_list(pair)
        if seconds is not None and len(seconds) != len(texts):
            raise KbertError(
                f"{counted(len(texts), 'first text')} and {counted(len(seconds), 'second text')} "
                "do not pair"
            )
        form = RowForm(
            cls_id=self.cls_id,
            sep_id=self.sep_id,
            pad_id=self.pad_id,
            is_pair=seconds is not None,
            separators=self.separators,
            segments=not self.roberta_pairs,
            max_length=max_length,
            truncation=truncation,
            stride=stride,
            pad_to_multiple_of=pad_to_multiple_of,
            pad_to_length=pad_to_length,
        )
        asked = {
            "offsets": return_offsets,
            "word_ids": return_word_ids,
            "eojeol_ids": return_eojeol_ids,
        }
        names = [name for name, wanted in asked.items() if wanted]
        first = self._encoder.pieces(texts, names, glued_to_mask, "text")
        if seconds is None:
            return make_rows(form, first, None)
        return make_rows(form, first, self._encoder.pieces(seconds, names, glued_to_mask, "pair"))

    # Ids to text.

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = True) -> str:
        """Turns ids into a text, with BERT's spacing: pieces joined, none before a full stop.

        Raises:
            KbertError: if an id is outside the vocabulary.
            TypeError: if an id is no whole number.

        Example:
            >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 .".split())
            >>> tokenizer.decode([2, 5, 6, 7, 3])
            '국회에.'
        """
        if isinstance(ids, int) or not isinstance(ids, Iterable):
            raise TypeError(f"expected the ids of a text, got {type(ids).__name__}: {ids!r:.80}")
        ids = list(ids)
        if ids and isinstance(ids[0], Iterable) and not isinstance(ids[0], str):
            raise TypeError(
                "expected the ids of one text, got those of several: "
                "[tokenizer.decode(row) for row in ids]"
            )
        text = self._decoder.decode(ids, self._silent_ids if skip_special_tokens else ())
        return nfc(text) if self.jamo_fallback else text

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
            raise KbertError(f"the vocabulary has no token {token!r:.80}")
        return self._ids[token]


def _as_list(texts: Texts) -> list[str]:
    return [texts] if isinstance(texts, str) else list(check_texts(texts))
