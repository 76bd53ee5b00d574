"""The tokenizer inside a TensorFlow graph, so that a SavedModel takes texts.

    text -> NFC -> characters, cleaned by a table -> words -> pieces -> rows

The table is what our own engine makes of every character (`text/encoding/characters.py`), so
cleaning, lowercasing and the cuts between words are the engine's, and not TensorFlow's.
tensorflow-text gives composition and the pieces of words. It works with any Keras backend: in a
`tf.data` pipeline, say.

Shapes: B texts, L length in tokens, special tokens included.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kbert.errors import KbertError, how_to_install
from kbert.files.atomic_files import written_together
from kbert.models.base import KbertModel
from kbert.text.encoding.characters import written_out
from kbert.text.encoding.rust import wordpiece_engine
from kbert.text.korean.normalize import replacements_of
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import MAX_WORD_LENGTH

_CODES = 0x110000  # Unicode's code points
# Private characters, which cleaning deletes, are free to stand for special tokens in the graph.
_FIRST_MARK, _MARKS, _NO_MARK = 0x100000, r"[\x{100000}-\x{10FFFF}]", "\U000f0000"


class GraphTokenizer:
    """A WordPiece `Tokenizer` as operations of TensorFlow: the same ids, within a graph.

    It differs where a text is none to the `Tokenizer`: bytes that are not UTF-8 are dropped, not
    refused, and more than 100 marks on one letter are composed. Where one added token may begin
    within another, the longer one is found, not the first.

    Args:
        tokenizer: a WordPiece tokenizer with any settings.
        max_length: the most tokens of a row, special tokens included; the longer text is cut.

    Raises:
        KbertError: if tensorflow-text is not installed, the tokenizer is a unigram model or has an
            added token with flags that are none in the graph, or `max_length` leaves no room.

    Example, where tensorflow-text is installed::

        in_graph = GraphTokenizer(model.tokenizer, max_length=128)
        dataset = tf.data.TextLineDataset("texts.txt").batch(64).map(in_graph)
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int | None = None):
        tf, text = _tensorflow_text()
        if not tokenizer.is_wordpiece:
            raise KbertError(
                "a unigram (SentencePiece) tokenizer has no form in the graph, only WordPiece has: "
                "export the model without it, and make ids of texts before"
            )
        for token in tokenizer.whole_tokens:
            changes = token.normalized and (tokenizer.lowercase or tokenizer.strip_accents)
            if token.single_word or (changes and token.content.upper() != token.content.lower()):
                raise KbertError(
                    f"the added token {token.content!r:.40} has no form in the graph, where tokens "
                    "are found as they are written: not single words, nor what cleaning leaves"
                )
        self._tokenizer, self._max_length = tokenizer, max_length
        self._room(specials=2, texts=1)
        unk_token = tokenizer.special_tokens["unk"]
        engine = wordpiece_engine(
            {unk_token: 0},
            unk_token,
            lowercase=tokenizer.lowercase,
            strip_accents=tokenizer.strip_accents,
            split_cjk=tokenizer.split_cjk,
        )
        whole = [token.content for token in tokenizer.whole_tokens]
        marks = {token: chr(_FIRST_MARK + number) for number, token in enumerate(whole)}
        self._marks = sorted(marks.items(), key=lambda item: -len(item[0]))
        self._unk_mark = marks[unk_token]
        becomes = {}
        for block in _blocks():
            becomes |= {c: new for c, new in written_out(engine, block).items() if new != c}
        becomes |= {chr(code): jamo for code, jamo in tokenizer.spellings.items()}
        becomes |= {mark: f" {mark} " for mark in marks.values()}
        self._written, self._which = (tf.constant(table) for table in _table(becomes))
        before = {chr(code): new for code, new in replacements_of(tokenizer.rules).items()}
        self._rules = tuple(tf.constant(table) for table in _table(before)) if before else None

        # No word has a NUL, and no token may have one there.
        words = {
            token: i for i, token in enumerate(tokenizer.vocabulary) if token and "\0" not in token
        }
        words |= {mark: tokenizer.id(token) for token, mark in marks.items()}
        self._ids = tf.constant([*words.values()], tf.int32)
        self._pieces = text.FastWordpieceTokenizer(
            [*words],
            max_bytes_per_word=4 * MAX_WORD_LENGTH,
            token_out_type=tf.int32,
            unknown_token=unk_token,
            no_pretokenization=True,
        )

    def encode(self, texts: Any) -> Any:
        """Turns texts (B,) into a ragged tensor (B, None) of int32 ids, without [CLS] and [SEP]."""
        tf, text = _tensorflow_text()
        texts = tf.convert_to_tensor(texts, tf.string)
        if self._rules is not None:
            texts = tf.strings.reduce_join(_rewrite(texts, *self._rules), axis=-1)
        texts = text.normalize_utf8(texts, self._tokenizer.form)
        texts = tf.strings.regex_replace(texts, _MARKS, _NO_MARK)
        for token, mark in self._marks:
            texts = tf.strings.regex_replace(texts, _literally(token), mark)
        words = tf.strings.split(
            tf.strings.reduce_join(_rewrite(texts, self._written, self._which), axis=-1)
        )
        lengths = tf.strings.length(words.flat_values, "UTF8_CHAR")
        words = words.with_flat_values(
            tf.where(lengths > MAX_WORD_LENGTH, self._unk_mark, words.flat_values)
        )
        return tf.gather(self._ids, self._pieces.tokenize(words).merge_dims(1, 2))

    def __call__(self, text: Any, pair: Any = None) -> dict[str, Any]:
        """Turns texts, or pairs of texts, into the tensors that a BERT takes.

        Args:
            text: (B,) strings: a tensor or a list.
            pair: (B,) the second text of each, or None.

        Returns:
            `input_ids`, `token_type_ids` and `attention_mask`, each (B, L) int32, L that of the
            longest row; where two texts are too long for one, the longer is cut first.
        """
        tf, _ = _tensorflow_text()
        tokenizer = self._tokenizer
        first = self.encode(text)  # (B, None)
        cls_ids = tf.fill([first.nrows(), 1], tokenizer.cls_id)  # (B, 1)
        sep_ids = tf.fill([first.nrows(), 1], tokenizer.sep_id)
        if pair is None:
            room = self._room(specials=2, texts=1)
            first = _cut(first, tf.minimum(first.row_lengths(), room))
            rows = tf.concat([cls_ids, first, sep_ids], axis=1)
            types = tf.zeros_like(rows)
        else:
            second = self.encode(pair)
            room = self._room(specials=2 + tokenizer.separators, texts=2)
            first, second = _fit(first, second, room)
            begin = tf.concat([cls_ids, first, *[sep_ids] * tokenizer.separators], axis=1)
            end = tf.concat([second, sep_ids], axis=1)
            rows = tf.concat([begin, end], axis=1)
            of_second = tf.zeros_like(end) if tokenizer.roberta_pairs else tf.ones_like(end)
            types = tf.concat([tf.zeros_like(begin), of_second], axis=1)
        return {
            "input_ids": rows.to_tensor(tokenizer.pad_id),
            "token_type_ids": types.to_tensor(0),
            "attention_mask": tf.ones_like(rows).to_tensor(0),
        }

    def _room(self, specials: int, texts: int) -> int:
        """How many pieces a row may have beside its special tokens."""
        room = 2**31 - 1 if self._max_length is None else self._max_length - specials
        if room < texts:
            raise KbertError(
                f"max_length {self._max_length} leaves no room for text beside the {specials} "
                "special tokens"
            )
        return room


def export_with_tokenizer(model: KbertModel, folder: str | Path) -> None:
    """Writes a SavedModel that takes texts: the model and its tokenizer in one graph.

    Its signature `serving_default` takes `text` (B,), and `pair` takes `text` and `pair` (B,). Both
    give what `KbertModel.export` says, and the `input_ids` (B, L) that the texts became, cut to
    the model's longest. What opens it needs the operations of tensorflow-text: in Python,
    `import tensorflow_text` before `tf.saved_model.load`.

    Args:
        model: a model of kbert with a WordPiece tokenizer.
        folder: where; replaced if there.

    Raises:
        KbertError: if tensorflow-text is not installed, the model has no tokenizer or one that
            `GraphTokenizer` cannot take, or it cannot be exported: from PyTorch, or if it is not
            in float32. (A `.keras` file opens with KERAS_BACKEND=tensorflow or jax.)

    Example:
        >>> import tensorflow as tf, tensorflow_text  # doctest: +SKIP
        >>> export_with_tokenizer(model, "served")  # doctest: +SKIP
        >>> serve = tf.saved_model.load("served").signatures["serving_default"]  # doctest: +SKIP
        >>> serve(text=tf.constant(["국회는 의결한다."]))["input_ids"]  # doctest: +SKIP
    """
    tf, _ = _tensorflow_text()
    if model.tokenizer is None:
        raise KbertError(
            "the model has no tokenizer to export with it: set model.tokenizer, or use "
            "model.export, whose file takes ids"
        )
    if Path(folder).is_file() or Path(folder).suffix == ".keras":
        raise KbertError(f"a SavedModel is a folder, not the file {Path(folder).name!r}")
    if getattr(model, "questions_are_global", False):
        raise KbertError(
            "this model of questions takes global_positions, which no tokenizer in a graph makes: "
            "use model.export, whose file takes them"
        )
    in_graph = GraphTokenizer(model.tokenizer, model.max_length)
    with tempfile.TemporaryDirectory(prefix="kbert-export-") as scratch:
        model.export(scratch)
        whole = tf.Module()
        whole.of_ids = tf.saved_model.load(scratch)
        of_ids = whole.of_ids.signatures["serving_default"]
        inputs = of_ids.structured_input_signature[1]

        def run(text, pair=None):
            rows = in_graph(text, pair)
            outputs = of_ids(**{name: rows[name] for name in inputs})
            return {**outputs, "input_ids": rows["input_ids"]}

        spec = tf.TensorSpec([None], tf.string)
        whole.of_text = tf.function(run, input_signature=[spec], autograph=False)
        whole.of_pair = tf.function(run, input_signature=[spec, spec], autograph=False)
        signatures = {"serving_default": whole.of_text, "pair": whole.of_pair}
        try:
            with written_together(Path(folder)) as work:
                tf.saved_model.save(whole, str(work), signatures)
        except (OSError, tf.errors.OpError) as error:
            raise KbertError(
                f"{folder} was not written, and what stood there is as it was: {error}"
            ) from error


def _tensorflow_text() -> tuple[Any, Any]:
    try:
        import tensorflow
        import tensorflow_text
    except ImportError as error:
        raise KbertError(
            f"this needs tensorflow-text: {how_to_install('tensorflow-text')} ({error})"
        ) from error
    return tensorflow, tensorflow_text


def _blocks() -> Iterator[list[str]]:
    """All characters of Unicode, some at a time."""
    for start in range(0, _CODES, 1 << 14):
        yield [chr(c) for c in range(start, start + (1 << 14)) if not 0xD800 <= c < 0xE000]


def _table(becomes: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """What characters become, as arrays: (K,) different texts, and (_CODES,) which of them.

    The first text, "", stands for: the character itself.
    """
    texts = ["", *sorted(set(becomes.values()))]
    number = {text: index for index, text in enumerate(texts[1:], start=1)}
    which = np.zeros(_CODES, np.int32)
    which[[ord(character) for character in becomes]] = [number[new] for new in becomes.values()]
    return np.array([text.encode() for text in texts], object), which


def _rewrite(texts: Any, written: Any, which: Any) -> Any:
    """The characters of texts (B,), each as what it becomes; ragged (B, None)."""
    tf, _ = _tensorflow_text()
    codes = tf.strings.unicode_decode(texts, "UTF-8")
    number = tf.gather(which, codes.flat_values)
    same = tf.strings.unicode_encode(codes.flat_values[:, None], "UTF-8")
    return codes.with_flat_values(tf.where(number == 0, same, tf.gather(written, number)))


def _literally(token: str) -> str:
    """A token as a regular expression of RE2's."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in token)


def _cut(rows: Any, lengths: Any) -> Any:
    """The first of each row (B, None), so many as `lengths` (B,) says."""
    tf, _ = _tensorflow_text()
    places = tf.ragged.range(rows.row_lengths())
    return tf.ragged.boolean_mask(rows, places < lengths[:, None])


def _fit(first: Any, second: Any, room: int) -> tuple[Any, Any]:
    """Cuts two texts to fit into `room` together, as `rows.py` does: the longer one first."""
    tf, _ = _tensorflow_text()
    one, two = first.row_lengths(), second.row_lengths()
    short = tf.minimum(tf.minimum(one, two), room // 2)
    long = room - short
    is_short = one <= two
    return (
        _cut(first, tf.minimum(one, tf.where(is_short, short, long))),
        _cut(second, tf.minimum(two, tf.where(is_short, long, short))),
    )
