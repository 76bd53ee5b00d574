"""A model that is trained already made to read longer rows, as Longformer was made of RoBERTa.

    positions     the table, copied over and over
    attention     a window for each token, and global tokens, whose projections begin as the others

Source: Beltagy et al. 2020, "Longformer", section 5; allenai/longformer,
scripts/convert_model_to_long.ipynb.
"""

from typing import TypeVar

import keras
import numpy as np

from kbert.errors import KbertError, kind_of, whole_number
from kbert.layers.initializers import starting_at_zero
from kbert.models.base import KbertModel
from kbert.models.encoder import Encoder, encoder_of
from kbert.models.frozen import check_floats
from kbert.models.lora import check_no_adapters

Model = TypeVar("Model", bound=KbertModel)


def lengthen(model: Model, max_length: int, attention_window: int | None = 256) -> Model:
    """A new model that reads rows of up to `max_length` tokens, with what the model knows.

    A token sees `attention_window` positions on either side, at a cost that grows with the row and
    not with its square; and there are global tokens, as in Longformer (`Bert`, `global_attention`):
    [CLS] where rows are classified, the question where an answer is looked for. Row k of the new
    table of positions is row k mod (what the model reads) of the old, so near tokens stand to each
    other as they did.

    Rows of up to `attention_window` + 1 tokens give what they gave, to rounding; with None all see
    all, and rows that the model read before give the very same. On longer rows it has to be trained
    first: Longformer was by masked LM, 2^18 tokens a step, a rate of 3e-5 after 500 steps of
    warm-up, and of 65,000 steps the first 3,000 did most.

    Args:
        model: any of kbert's on a `Bert`: BERT, RoBERTa, ELECTRA, DistilBERT, ALBERT.
        max_length: the longest row, in tokens, special tokens included.
        attention_window: how many positions a token sees on either side of its own; None means
            that each sees all, at a cost that grows with the square of the row.

    Returns:
        A model of the same class, with the tokenizer, not compiled. With a window it is a
        Longformer, also to `kbert.export_huggingface` (but where tables are narrow or layers share
        their weights, which transformers' has not): its positions begin behind the padding's id,
        where a BERT's begin at 0, and are no others.

    Raises:
        KbertError: if the model has no table of positions (ModernBERT, DeBERTa) or no windows
            (MobileBERT), reads rows that long already, sees blocks (BigBird) or takes extra
            vectors and is to see windows, has adapters (LoRA) or weights that are no floats.

    Example:
        >>> import kbert
        >>> model = kbert.BertForMaskedLM(vocab_size=100, **kbert.SIZES["tiny"])
        >>> longer = lengthen(model, 4096)
        >>> model.max_length, longer.max_length, longer.get_config()["attention_window"]
        (512, 4096, 256)

    Source: Beltagy et al. 2020, section 5.
    """
    check_no_adapters(model)
    check_floats(model, "lengthen")
    bert = encoder_of(model)
    if bert.architecture != "bert":
        has_none = "has no table of positions that could be lengthened: it"
        why = "is none of the encoders that can be: they have windows, and it"
        has_table = hasattr(bert.embeddings, "position_table")
        raise KbertError(
            f"{kind_of(bert)} {why if has_table else has_none} reads up to "
            f"max_position_embeddings, {bert.max_length}, tokens"
        )
    whole_number("max_length", max_length, 1)
    if max_length <= bert.max_length:
        raise KbertError(
            f"max_length {max_length} is not more than the {bert.max_length} tokens that the "
            "encoder reads already"
        )
    config = bert.get_config()
    offset, changes = config["position_offset"], {}
    if attention_window is not None:
        whole_number("attention_window, if it is not None,", attention_window, 1)
        if config.get("extra_size") is not None:
            raise KbertError(
                "the model takes extra vectors, which all tokens see, so it has no window: pass "
                "attention_window=None"
            )
        if config.get("block_size") is not None:
            raise KbertError(
                f"the model sees blocks (block_size {config['block_size']}), which have no window: "
                "pass attention_window=None"
            )
        if offset == 0 and model.tokenizer is not None:
            offset = model.tokenizer.pad_id + 1
        changes = {"attention_window": attention_window, "global_attention": True}
    changes |= {"max_position_embeddings": offset + max_length, "position_offset": offset}
    if "max_seq_length" in model.get_config():  # of a sentence model, which it would cut to
        changes["max_seq_length"] = None
    with starting_at_zero(heads=True):
        longer = type(model).from_config({**model.get_config(), **changes})

    begun = _new_projections(encoder_of(longer), bert)
    kept = [weight for weight in longer.weights if id(weight) not in begun]
    for weight, old in zip(kept, model.weights, strict=True):
        values = np.array(keras.ops.convert_to_numpy(old))
        if old is bert.embeddings.position_table:
            values = _tiled(values, config["position_offset"], offset, max_length)
        elif bert.embeddings.extra and old is bert.embeddings.extra.position_table:
            values = values[np.arange(weight.shape[0]) % len(values)]
        weight.assign(values)
    longer.take_after(model)
    return longer


def _tiled(table: np.ndarray, offset: int, new_offset: int, max_length: int) -> np.ndarray:
    """(rows, E) -> (new_offset + max_length, E): what is behind the offset, over and over."""
    rows = table[offset:]
    before = table[:offset] if offset else np.zeros_like(table, shape=(new_offset, table.shape[1]))
    return np.concatenate([before, rows[np.arange(max_length) % len(rows)]])


def _new_projections(longer: Encoder, bert: Encoder) -> set[int]:
    """Has global tokens begin with the projections of all; the ids of the weights that did."""
    begun: set[int] = set()
    for layer, old in zip(longer.encoder_layers, bert.encoder_layers, strict=True):
        attend, of_all = layer.self_attention, old.self_attention.query_key_value
        if not hasattr(attend, "global_query") or hasattr(old.self_attention, "global_query"):
            continue
        for name in ("kernel", "bias"):
            values = np.array(keras.ops.convert_to_numpy(getattr(of_all, name)))
            query, key_value = np.split(values, [values.shape[-1] // 3], axis=-1)
            for dense, part in ((attend.global_query, query), (attend.global_key_value, key_value)):
                weight = getattr(dense, name)
                weight.assign(part)
                begun.add(id(weight))
    return begun
