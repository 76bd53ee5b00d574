"""Instances into rows of ids, padded; nothing is masked yet.

    [CLS] first [SEP] second [SEP]                     a pair
    [CLS] text [SEP] text of the next document [SEP]   a packed row

Shapes: R rows, L length, T tokens of all rows.
"""

from collections.abc import Sequence

import numpy as np

from kbert.data.shards.shards import EOJEOL, MORPHEME, Shard
from kbert.errors import KbertError
from kbert.labels import NOT_A_PAIR
from kbert.text.encoding.pieces import Pieces
from kbert.text.encoding.rows import ROW, fill_rows
from kbert.text.tokenizer import Tokenizer

_LOOKED_AT = 1 << 16  # ids of a shard, beforehand; the others are looked at when they are used


def check_shard(shard: Shard, tokenizer: Tokenizer, mark: int | None = None) -> None:
    """Looks at the beginning of a shard.

    Raises:
        KbertError: if the tokenizer did not make it, or it has no marks of the kind `mark`.
    """
    _check_ids(shard.ids[:_LOOKED_AT], tokenizer)
    if mark is not None and len(shard.ids):
        _marks(shard, mark)


def instance_rows(
    shards: Sequence[Shard],
    instances: np.ndarray,
    tokenizer: Tokenizer,
    length: int,
    mark: int | None = None,
) -> dict[str, np.ndarray]:
    """Rows of instances, in their order.

    Args:
        shards: what the instances count their shards in.
        instances: (R,) of dtype INSTANCE, one or more.
        tokenizer: the one that made the shards' ids.
        length: L, special tokens included.
        mark: a bit of the shards' marks, to be told where it is set; None to be told nothing.

    Returns:
        `input_ids`, `token_type_ids`, `attention_mask` (R, L), int32; with a mark also
        `word_starts` (R, L), bool.

    Raises:
        KbertError: as `check_shard`, of what is used.
    """
    is_pair = instances["label"] != NOT_A_PAIR
    rows: dict[str, np.ndarray] = {}
    for of_kind, pairs in ((is_pair, True), (~is_pair, False)):
        if of_kind.any():
            part = _rows_of_a_kind(shards, instances[of_kind], tokenizer, length, mark, pairs)
            for name, column in part.items():
                whole = rows.setdefault(name, np.zeros((len(instances), length), column.dtype))
                whole[of_kind] = column
    return rows


def _rows_of_a_kind(
    shards: Sequence[Shard],
    instances: np.ndarray,
    tokenizer: Tokenizer,
    length: int,
    mark: int | None,
    pairs: bool,
) -> dict[str, np.ndarray]:
    first = _texts(shards, instances, ("shard", "first_start", "first_end"), mark)
    second = None
    if pairs:
        second = _texts(shards, instances, ("other", "second_start", "second_end"), mark)
    else:
        first = _separate_documents(shards, instances, first, tokenizer.sep_id)
    for texts in (first, second):
        if texts is not None:
            _check_ids(texts.ids, tokenizer)
    plan = np.zeros(len(instances), ROW)
    plan["text"], plan["first_end"] = np.arange(len(instances)), first.lengths
    plan["second_end"] = 0 if second is None else second.lengths
    rows = fill_rows(
        plan,
        first,
        second,
        length=length,
        pad_id=tokenizer.pad_id,
        cls_id=tokenizer.cls_id,
        sep_id=tokenizer.sep_id,
        separators=tokenizer.separators,
        segments=not tokenizer.roberta_pairs,
    )
    if "word_starts" in rows:
        rows["word_starts"] = rows["word_starts"] > 0
    return rows


def _texts(
    shards: Sequence[Shard], instances: np.ndarray, fields: tuple[str, str, str], mark: int | None
) -> Pieces:
    """The ids from one offset to another of each instance's shard, one text behind the other."""
    spans = list(zip(*(instances[field].tolist() for field in fields), strict=True))
    ids = np.concatenate([shards[shard].ids[start:end] for shard, start, end in spans])
    lengths = instances[fields[2]] - instances[fields[1]]
    columns = {}
    if mark is not None:
        marks = [_marks(shards[shard], mark)[start:end] for shard, start, end in spans]
        columns["word_starts"] = ((np.concatenate(marks) & mark) > 0).astype(np.int32)
    return Pieces(ids.astype(np.int32), np.append(0, np.cumsum(lengths)), columns)


def _marks(shard: Shard, mark: int) -> np.ndarray:
    if shard.marks is None or not shard.marks[0] & mark:  # every text begins with a word
        words = {EOJEOL: "eojeols", MORPHEME: "morphemes"}[mark]
        raise KbertError(
            f"the shards have no marks of where {words} begin; encode the documents with them "
            "(`encode_documents(..., eojeols=True, morphemes=...)`), or mask by token"
        )
    return shard.marks


def _check_ids(ids: np.ndarray, tokenizer: Tokenizer) -> None:
    highest = int(ids.max(initial=0))
    if highest >= len(tokenizer):
        raise KbertError(
            f"the shard holds id {highest}, and the tokenizer has only {len(tokenizer)} tokens: it "
            "did not make this shard"
        )


def _separate_documents(
    shards: Sequence[Shard], instances: np.ndarray, texts: Pieces, sep_id: int
) -> Pieces:
    """Packed rows with a separator before every document that begins within."""
    more = instances["last_document"] - instances["first_document"]  # (R,)
    before = []
    for row in np.flatnonzero(more).tolist():
        instance = instances[row]
        shard = shards[instance["shard"]]
        begin, end = instance["first_document"] + 1, instance["last_document"] + 1
        documents = shard.sentence_starts[shard.document_starts[begin:end]]
        before.append(documents - instance["first_start"] + texts.starts[row])
    if not before:
        return texts
    where = np.concatenate(before)
    return Pieces(
        np.insert(texts.ids, where, sep_id),
        texts.starts + np.append(0, np.cumsum(more)),
        {name: np.insert(column, where, 0) for name, column in texts.columns.items()},
    )
