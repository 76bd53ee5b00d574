"""ELECTRA: which tokens of a text were replaced, and a small model that replaces them.

    masked row -> generator -> a word drawn at each masked position -> discriminator -> which are
    not what stood there

Of BERT's masked words a model learns at 15% of the positions, here at all of them.

Shapes: B batch, L length, P masked positions, D hidden, V vocabulary.
Source: Clark et al. 2020, "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than
Generators".
"""

from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError, as_number, kind_of, with_article
from kbert.layers.calling import run
from kbert.layers.initializers import sub_seed
from kbert.layers.replaced_tokens import ReplacedTokenHead, WordSampler, put_words
from kbert.models.bert import Bert
from kbert.models.bert_with_head import BertWithHead
from kbert.models.encoder import input_ids_shape, of_text
from kbert.models.frozen import check_floats
from kbert.models.in_training import ModelInTraining, check_tokenizers
from kbert.models.logits import takes_indices
from kbert.models.pretraining import BertForMaskedLM

_OF_TABLES = (  # what both must have alike, as the tables and their norm are shared
    *("vocab_size", "embedding_size", "max_position_embeddings", "type_vocab_size"),
    *("position_offset", "layer_norm_eps"),
)
_OF_TEXT = (  # what both read beside the ids
    *("token_type_ids", "attention_mask", "lengths", "global_positions"),
    *("extra_embeddings", "extra_mask", "extra_positions"),
)


@keras.saving.register_keras_serializable("kbert")
class ElectraForPreTraining(BertWithHead):
    """An encoder that scores each token on standing in another's place: ELECTRA's discriminator.

    It is the half of ELECTRA that is kept. To be trained it is put into a
    `ReplacedTokenDetection`, with a generator.

    Args:
        name: the model's name.
        **bert_arguments: the arguments of `Bert`; `add_pooling_layer` is False unless given.

    Raises:
        KbertError: as `Bert`.

    Example:
        >>> import numpy as np
        >>> model = ElectraForPreTraining(vocab_size=100, hidden_size=8, num_hidden_layers=1,
        ...                               num_attention_heads=2, intermediate_size=32)
        >>> tuple(model({"input_ids": np.array([[2, 4, 3]])}).shape)
        (1, 3)

    Source: transformers, modeling_electra.py, the class of this name.
    """

    def __init__(self, *, name: str = "electra_for_pre_training", **bert_arguments: Any):
        super().__init__(name=name, **{"add_pooling_layer": False, **bert_arguments})
        config = self.bert.get_config()
        self.replaced = ReplacedTokenHead(
            hidden_act=config["hidden_act"],
            initializer_range=self.bert.output_range,
            seed=sub_seed(config["seed"], "replaced"),
            dtype=self.dtype_policy.name,
            name="replaced",
        )
        self.replaced.build((None, None, config["hidden_size"]))
        self.built = True

    def call(self, inputs, training=None):
        """Logits (B, L), float32: above 0 where a token was replaced; inputs as for `Bert`."""
        hidden = self.bert(inputs, training=training)["last_hidden_state"]
        return self.replaced(of_text(hidden, inputs), training=training)

    def compute_output_spec(self, inputs, training=None):
        """What `call` returns, as a symbol."""
        return keras.KerasTensor(input_ids_shape(inputs), "float32")


class ReplacedTokenDetection(ModelInTraining):
    """A generator and a discriminator in training: the one replaces tokens, the other finds them.

        loss = MLM + 50 RTD

    The generator fills in masked words, and learns to as any masked LM. At each masked position a
    word is drawn by its probabilities; where it is the one that stood there, nothing was replaced.
    The discriminator is asked about every token of the row, and no gradient of its answers reaches
    the generator, but for the tables: the two share theirs, and the norm behind them.

    Batches are `PretrainingBatches(..., objective="replaced-token-detection")`, the losses
    `kbert.objective(model)`. What is kept is the discriminator, to be saved and fine-tuned; and
    the generator, which fills in words, to go on from. Each is a whole model by itself:

        model.discriminator.save("model.keras"); model.generator.save("generator.keras")

    Args:
        discriminator: is trained in its place.
        generator: likewise. Its tables become the discriminator's; as `generator_for` makes one, or
            the generator of a published pair.
        name: the model's name.

    Raises:
        KbertError: if they are no such models, are not Berts, or tables or tokenizers differ.

    Example:
        >>> import numpy as np
        >>> discriminator = ElectraForPreTraining(vocab_size=100, hidden_size=8,
        ...     num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
        >>> model = ReplacedTokenDetection(discriminator, generator_for(discriminator))
        >>> outputs = model({"input_ids": np.array([[2, 4, 7, 3]]),
        ...                  "masked_lm_positions": np.array([[1]]),
        ...                  "masked_lm_ids": np.array([[9]])})
        >>> tuple(outputs["mlm"].shape), tuple(outputs["rtd"].shape)
        ((1, 1, 100), (1, 4, 2))

    Source: Clark et al. 2020, sections 2 and 3.2; google-research/electra, run_pretraining.py. The
        weight 50 is the paper's lambda.
    """

    objective = "replaced-token-detection"
    discriminator: ElectraForPreTraining
    generator: BertForMaskedLM

    def __init__(
        self,
        discriminator: ElectraForPreTraining,
        generator: BertForMaskedLM,
        *,
        name: str = "replaced_token_detection",
    ):
        _check_half("discriminator", discriminator, ElectraForPreTraining)
        _check_half("generator", generator, BertForMaskedLM)
        for model in (discriminator, generator):
            check_floats(model, "replaced-token detection")
        _check_tables(discriminator.bert, generator.bert)
        check_tokenizers(discriminator=discriminator, generator=generator)
        super().__init__(name=name, discriminator=discriminator, generator=generator)
        self.loss_weights = {"mlm": 1.0, "rtd": 50.0}
        generator.bert.embeddings.share_tables(discriminator.bert.embeddings)
        self.sampler = WordSampler(
            seed=sub_seed(discriminator.bert.get_config()["seed"], "sampler"), name="sampler"
        )
        self.built = True

    def _label_limits(self):
        given = getattr(self, "_loss_given", None)
        loss = given.get("mlm") if isinstance(given, dict) else None
        return {"mlm": self.vocab_size} if takes_indices(loss) else {}

    def call(self, inputs, training=None) -> dict[str, Any]:
        """Replaces tokens, and finds them.

        Args:
            inputs: as for `Bert`, masked, with `masked_lm_positions` (B, P), 0 where a row has
                fewer, and `masked_lm_ids` (B, P), the words that stood there.
            training: whether to drop, and to draw other words at each call.

        Returns:
            A dict of `mlm` (B, P, V), the generator's logits, and `rtd` (B, L, 2), for each token
            the discriminator's logit, and 1 where it was replaced and 0 where not; float32.

        Raises:
            KbertError: if the positions or the words are not there.
        """
        if not isinstance(inputs, dict) or not {"masked_lm_positions", "masked_lm_ids"} <= {
            *inputs
        }:
            raise KbertError(
                "replaced-token detection takes a dict with input_ids, masked_lm_positions and "
                "masked_lm_ids, as PretrainingBatches(..., objective='replaced-token-detection') "
                f"gives; received {[*inputs] if isinstance(inputs, dict) else 'the ids alone'}"
            )
        logits = self.generator(inputs, training=training)  # (B, P, V)
        drawn = run(self.sampler, logits, training=training)  # (B, P)
        positions, words = inputs["masked_lm_positions"], inputs["masked_lm_ids"]
        rows, at = put_words(inputs["input_ids"], positions, drawn)  # (B, L)
        right, _ = put_words(inputs["input_ids"], positions, words)  # (B, L)
        replaced = ops.logical_and(at, rows != right)
        given = {name: inputs[name] for name in _OF_TEXT if inputs.get(name) is not None}
        scores = self.discriminator({**given, "input_ids": rows}, training=training)  # (B, L)
        return {"mlm": logits, "rtd": ops.stack([scores, ops.cast(replaced, "float32")], axis=-1)}

    def compute_output_spec(self, inputs, training=None) -> dict[str, Any]:
        """What `call` returns, as symbols."""
        words = (*inputs["masked_lm_positions"].shape, self.vocab_size)
        return {
            "mlm": keras.KerasTensor(words, "float32"),
            "rtd": keras.KerasTensor((*input_ids_shape(inputs), 2), "float32"),
        }


def generator_for(model: ElectraForPreTraining, fraction: float = 0.25) -> BertForMaskedLM:
    """A generator with random weights for a discriminator: as deep, and narrower.

    Args:
        model: the discriminator.
        fraction: of its width, in (0, 1]; its heads have 64 numbers each, as ELECTRA's. The paper
            has 1/4 for small and large and 1/3 for base.

    Raises:
        KbertError: if the fraction is none, or the model is no discriminator.

    Example:
        >>> import kbert
        >>> discriminator = ElectraForPreTraining(vocab_size=100, **kbert.SIZES["small"])
        >>> generator_for(discriminator).bert.hidden_size
        128

    Source: Clark et al. 2020, section 3.2; google-research/electra, configure_pretraining.py.
    """
    if not 0 < as_number(fraction) <= 1:
        raise KbertError(f"fraction is a number above 0 and up to 1, not {fraction!r:.80}")
    _check_half("discriminator", model, ElectraForPreTraining)
    arguments = model.bert._config()
    heads = max(1, round(fraction * arguments["hidden_size"]) // 64)
    width = max(heads, round(fraction * arguments["hidden_size"]) // heads * heads)
    arguments |= {
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "seed": sub_seed(arguments["seed"], "generator"),
        "add_pooling_layer": False,
    }
    for pruned in ("heads_per_layer", "intermediate_sizes"):  # of other widths
        arguments.pop(pruned, None)
    generator = BertForMaskedLM(**arguments)
    generator.tokenizer = model.tokenizer
    return generator


def _check_half(part: str, model: Any, right: type[BertWithHead]) -> None:
    """Raises KbertError if a model is not what this half of the two has to be."""
    if not isinstance(model, right) or not isinstance(model.bert, Bert):
        raise KbertError(
            f"the {part} is {with_article(right.__name__)} on a Bert, not "
            f"{kind_of(model)}" + (f" on {kind_of(model.bert)}" if hasattr(model, "bert") else "")
        )


def _check_tables(discriminator: Bert, generator: Bert) -> None:
    """Raises KbertError if the two cannot have the same tables."""
    own, other = discriminator.get_config(), generator.get_config()
    for name in _OF_TABLES:
        if own[name] != other[name]:
            raise KbertError(
                f"generator and discriminator share their tables, so {name} must be the same: the "
                f"generator's is {other[name]}, and the discriminator's {own[name]}"
            )
