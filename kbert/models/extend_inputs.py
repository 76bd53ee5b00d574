"""A trained model that is to take more than text: vectors of images or sounds behind the tokens.

As VisualBERT begins: a BERT that has read text, whose tables of positions and segments are those
of the extra vectors, too, until training parts them.

Source: Li et al. 2019, "VisualBERT", section 3; transformers, `special_visual_initialize`.
"""

import numpy as np
from keras import ops

from kbert.errors import KbertError, kind_of, whole_number
from kbert.layers.initializers import starting_at_zero
from kbert.models.base import KbertModel
from kbert.models.bert import Bert
from kbert.models.encoder import encoder_of
from kbert.models.frozen import check_floats
from kbert.models.load_report import LoadReport
from kbert.models.lora import check_no_adapters


def extend_inputs(model: KbertModel, extra_size: int) -> KbertModel:
    """The same model, which also takes `extra_embeddings` (B, K, F); text alone as before.

    The projection of extra vectors is new, and drawn by the model's seed; their positions and
    segments begin as the text's. All is to be trained: until then extra vectors are noise. So what
    extra vectors go through is trained also behind `kbert.freeze` and `kbert.add_lora`.

    Args:
        model: one of kbert's on a `Bert`. It is not changed.
        extra_size: F, how many numbers each extra vector has.

    Returns:
        A model of the same class, with the tokenizer, not compiled.

    Raises:
        KbertError: if the model takes such vectors already, stands on another encoder, sees a
            window or blocks only, or has adapters (LoRA) or weights that are no floats.

    Example:
        >>> import kbert
        >>> model = kbert.BertForSequenceClassification(
        ...     labels=["개", "고양이"], vocab_size=100, **kbert.SIZES["tiny"])
        >>> of_images = extend_inputs(model, 48)  # 16 pixels of 3 colours
        >>> patches = np.random.default_rng(0).random((1, 9, 48), "float32")
        >>> logits = of_images({"input_ids": np.array([[2, 5, 3]]), "extra_embeddings": patches})
        >>> tuple(logits.shape)
        (1, 2)
    """
    if not isinstance(model, KbertModel) or not isinstance(encoder_of(model), Bert):
        inner = f" on {kind_of(encoder_of(model))}" if hasattr(model, "bert") else ""
        raise KbertError(
            f"extra vectors are for a model of kbert's on a Bert, not for {kind_of(model)}{inner}"
        )
    check_no_adapters(model)
    check_floats(model, "extend_inputs")
    config = model.get_config()
    if config.get("extra_size") is not None:
        raise KbertError(f"the model takes extra vectors already, of {config['extra_size']}")
    size = whole_number("extra_size", extra_size, 1)
    with starting_at_zero():
        other = type(model).from_config({**config, "extra_size": size})
    given = {weight.path: ops.convert_to_numpy(weight) for weight in model.weights}
    for weight in other.weights:
        if weight.path in given:
            weight.assign(np.array(given[weight.path]))
    tables, extra = encoder_of(other).embeddings, encoder_of(other).embeddings.extra
    for name in ("position_table", "segment_table"):
        if hasattr(extra, name):
            values = ops.convert_to_numpy(getattr(tables, name))
            getattr(extra, name).assign(np.array(values))
    # Drawn here, since what encoders draw starts at zero while a model is made of another.
    projection = extra.projection
    drawn = projection.kernel_initializer(projection.kernel.shape, projection.kernel.dtype)
    projection.kernel.assign(drawn)
    other.take_after(model)
    former = getattr(model, "load_report", LoadReport())
    of_a_head = "" if encoder_of(other) is other else "bert."
    other.load_report = former._replace(new=(*former.new, f"{of_a_head}embeddings.extra"))
    return other
