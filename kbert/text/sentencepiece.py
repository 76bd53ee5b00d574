"""SentencePiece unigram models: read the file, check it, build the engine.

A unigram model gives each piece a log-probability and cuts a text so that their sum is greatest.
Its file is a protobuf message. The few fields that matter are read here with bounds on everything,
so a damaged or hostile file is an error, and no protobuf library is needed:

    ModelProto       1 pieces (repeated), 2 trainer_spec, 3 normalizer_spec
    SentencePiece    1 piece (text), 2 score (float32), 3 type
    TrainerSpec      3 model_type (1 is unigram)
    NormalizerSpec   2 precompiled_charsmap

Source: Kudo 2018, "Subword Regularization"; google/sentencepiece, sentencepiece_model.proto.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tokenizers

from kbert.errors import KbertError

SPACE = "▁"  # U+2581, how a piece spells the space before it
_MOST_PIECES = 1 << 19  # twice what any published model has
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6  # types of pieces


@dataclass(frozen=True)
class UnigramModel:
    """What a SentencePiece file holds.

    Attributes:
        pieces: the texts; a piece's index is its id.
        scores: their log-probabilities.
        charsmap: the table by which the text is normalised; empty if there is none.
        user_defined: the pieces that are cut out of a text wherever they stand.
    """

    pieces: list[str]
    scores: list[float]
    charsmap: bytes
    user_defined: list[str]


def parse_model(data: bytes, where: str) -> UnigramModel:
    """Reads the bytes of a `spiece.model`; `where` they come from is named in errors.

    Raises:
        KbertError: if it is damaged, or no unigram model.
    """
    pieces, scores, user_defined = [], [], []
    charsmap, model_type = b"", 1
    for field, value in _fields(data, where):
        if field == 1:
            if len(pieces) == _MOST_PIECES:
                raise KbertError(f"{where}: more than {_MOST_PIECES:,} pieces")
            piece, score, kind = _parse_piece(_bytes(value, where), where)
            if kind == _BYTE:
                raise KbertError(f"{where}: the model falls back to bytes, which kbert does not")
            if kind == _USER_DEFINED:
                user_defined.append(piece)
            pieces.append(piece)
            scores.append(score)
        elif field == 2:
            for inner, setting in _fields(_bytes(value, where), where):
                model_type = setting if inner == 3 else model_type
        elif field == 3:
            for inner, setting in _fields(_bytes(value, where), where):
                charsmap = _bytes(setting, where) if inner == 2 else charsmap
    if model_type != 1:
        raise KbertError(f"{where}: a SentencePiece model of type {model_type}, not unigram (1)")
    if not pieces:
        raise KbertError(f"{where}: not a SentencePiece model: it has no pieces")
    return UnigramModel(pieces, scores, charsmap, user_defined)


def _parse_piece(data: bytes, where: str) -> tuple[str, float, int]:
    text, score, kind = b"", 0.0, _NORMAL
    for field, value in _fields(data, where):
        if field == 1:
            text = _bytes(value, where)
        elif field == 2 and isinstance(value, bytes) and len(value) == 4:
            score = struct.unpack("<f", value)[0]
        elif field == 3 and isinstance(value, int):
            kind = value
    try:
        return text.decode(), score, kind
    except UnicodeDecodeError:
        raise KbertError(f"{where}: the piece {text!r:.80} is not UTF-8") from None


def _bytes(value: int | bytes, where: str) -> bytes:
    if not isinstance(value, bytes):
        raise KbertError(f"{where}: not a SentencePiece model: a number where text should be")
    return value


def _fields(data: bytes, where: str) -> Iterator[tuple[int, int | bytes]]:
    """The (field number, value) pairs of a protobuf message."""
    offset = 0
    while offset < len(data):
        key, offset = _varint(data, offset, where)
        wire = key & 7
        if wire == 0:
            value, offset = _varint(data, offset, where)
            yield key >> 3, value
            continue
        if wire == 2:
            size, offset = _varint(data, offset, where)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise KbertError(f"{where}: not a SentencePiece model (wire type {wire})")
        if size > len(data) - offset:
            raise KbertError(f"{where}: not a SentencePiece model, or one cut short")
        yield key >> 3, data[offset : offset + size]
        offset += size


def _varint(data: bytes, offset: int, where: str) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first; and the offset behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if offset >= len(data):
            raise KbertError(f"{where}: not a SentencePiece model, or one cut short")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
    raise KbertError(f"{where}: not a SentencePiece model (a number of more than 64 bits)")


def check_charsmap(charsmap: bytes) -> None:
    """Visits every node of a table of normalisation, so that no text can lead out of it.

    The table is a double-array trie of UTF-8 bytes, whose leaves point into a block of texts:

        4 bytes: size of the trie | the trie, 4 bytes a unit | texts, each with a 0 behind it

    Raises:
        KbertError: if a path leads out of the trie, or a leaf out of the texts or into the midst
            of a character.

    Source: Yata, darts-clone, `DoubleArrayUnit`.
    """
    size = int.from_bytes(charsmap[:4], "little")
    if size % 4 or not 0 < size <= len(charsmap) - 4:
        raise KbertError("the table of normalisation is damaged: its trie does not fit into it")
    units = np.frombuffer(charsmap, "<u4", size // 4, offset=4).astype(np.int64)
    texts = charsmap[4 + size :]
    try:
        texts.decode()
    except UnicodeDecodeError:
        raise KbertError("the table of normalisation is damaged: not UTF-8") from None
    inside = (np.frombuffer(texts, np.uint8) & 0xC0) == 0x80  # within a character

    def below(nodes: np.ndarray) -> np.ndarray:
        offset = (units[nodes] >> 10) << np.where(units[nodes] & (1 << 9), 8, 0)
        children = nodes ^ offset
        if children.size and int(children.max()) | 0xFF >= len(units):
            raise KbertError("the table of normalisation is damaged: a path leads out of it")
        return children

    labels = np.arange(1, 256)
    seen = np.zeros(len(units), bool)
    waiting = below(np.zeros(1, np.int64))
    while len(waiting):
        nodes, waiting = waiting[:4096], waiting[4096:]  # 8 MB at a time
        children = nodes[:, None] ^ labels  # (nodes, 255)
        children = children[(units[children] & 0x800000FF) == labels]
        children = np.unique(children[~seen[children]])
        seen[children] = True
        nodes = below(children)
        values = units[nodes[(units[children] & 0x100) > 0]] & 0x7FFFFFFF
        if values.size and (values.max() >= len(texts) or inside[values].any()):
            raise KbertError("the table of normalisation is damaged: a leaf leads out of it")
        waiting = np.concatenate([waiting, nodes])


def build_engine(
    pieces: list[str],
    scores: list[float],
    unk_id: int,
    *,
    charsmap: bytes,
    lowercase: bool,
    strip_accents: bool,
) -> tokenizers.Tokenizer:
    """The unigram engine, without special tokens.

    A text is normalised by the table and cut at white space; a word gets SPACE in front of it.

    Args:
        pieces: the vocabulary.
        scores: the log-probability of each.
        unk_id: the id of what no piece covers.
        charsmap: the table of normalisation, or nothing.
        lowercase: whether to lowercase first.
        strip_accents: whether to drop accents first and write the quotes `` and '' as ", as
            KoBERT's own tokenizer does. (transformers' XLNet class, with which it loads there,
            leaves Hangul decomposed: [UNK].)

    Raises:
        KbertError: if pieces and scores do not belong together, or the table is damaged.
    """
    if len(pieces) != len(scores):
        raise KbertError(f"{len(scores)} scores do not belong to {len(pieces)} pieces")
    if not all(isinstance(score, int | float) and abs(score) < 1e30 for score in scores):
        raise KbertError("the scores of a unigram model are finite numbers (logarithms)")
    steps: list = []
    if strip_accents:
        replace = tokenizers.normalizers.Replace
        steps += [replace("``", '"'), replace("''", '"')]
        steps += [tokenizers.normalizers.NFKD(), tokenizers.normalizers.StripAccents()]
        steps.append(tokenizers.normalizers.NFC())  # `Precompiled` leaves whole jamo apart
    if lowercase:
        steps.append(tokenizers.normalizers.Lowercase())
    if charsmap:
        check_charsmap(charsmap)
        steps.append(tokenizers.normalizers.Precompiled(charsmap))
    vocabulary = [(piece, float(score)) for piece, score in zip(pieces, scores, strict=True)]
    engine = tokenizers.Tokenizer(
        tokenizers.models.Unigram(vocabulary, unk_id=unk_id, byte_fallback=False)
    )
    engine.normalizer = tokenizers.normalizers.Sequence(steps)
    engine.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.WhitespaceSplit(),
            tokenizers.pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always"),
        ]
    )
    engine.decoder = tokenizers.decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    return engine
