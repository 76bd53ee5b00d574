"""The model that recipes/pretrain_ko.py trains: a new one, or one that is trained already."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from pretrain_options import NOT_CAUSAL, REPLACED, size_arguments
from rich.console import Console

import kbert
from kbert.models import TASKS
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_of
from kbert.models.frozen import check_floats
from kbert.training.distribution import on_own_device

# Whose head an objective takes; a model with that of masked words also learns left to right.
TASK = {
    "pretraining": "pretraining",
    "masked-lm": "masked-lm",
    "causal": "masked-lm",
    REPLACED: REPLACED,
}


def new_model(arguments: Namespace, tokenizer: kbert.Tokenizer, longest: int) -> KbertModel:
    """A model with random weights.

    BERT's 0.02 is for its width of 768; a narrower one starts with larger weights, so that what
    goes through a layer keeps its size. (Without this, tiny learns later.)
    """
    size: dict[str, Any] = size_arguments(arguments)
    if arguments.architecture != "bert":
        size["architecture"] = arguments.architecture
    if arguments.architecture == "deberta":  # as the published ones, of which all read 512
        size["max_relative_positions"] = max(512, longest)
    model = TASKS[TASK[arguments.objective]](
        vocab_size=len(tokenizer),
        **size,
        initializer_range=0.02 * (768 / size["hidden_size"]) ** 0.5,
        max_position_embeddings=longest,
        hidden_dropout_prob=arguments.dropout,
        attention_probs_dropout_prob=arguments.dropout,
        remat=arguments.remat,
        seed=arguments.seed,
        dtype=arguments.precision,
    )
    model.tokenizer = tokenizer
    return model


def loaded_model(arguments: Namespace, screen: Console) -> KbertModel:
    """The model of --init, with the objective's head, and with more tokens if asked."""
    with on_own_device():
        model = kbert.load(arguments.init, task=TASK[arguments.objective])
        check_floats(model, "--init", arguments.init)
        if arguments.objective == "causal" and encoder_of(model).architecture == "mobilebert":
            raise kbert.KbertError(NOT_CAUSAL)
        if not arguments.add_tokens:
            return model
        lines = Path(arguments.add_tokens).read_text(encoding="utf-8").splitlines()
        tokens = [line.strip() for line in lines if line.strip()]
        screen.print(f"{len(tokens):,} tokens are new; they begin at the means of their pieces.")
        return kbert.extend_vocabulary(model, tokens)


def generator_of(arguments: Namespace, model: KbertModel) -> kbert.BertForMaskedLM:
    """The generator of --generator, or a new one that is as wide as asked."""
    if not arguments.generator:
        return kbert.generator_for(model, arguments.generator_fraction)
    with on_own_device():
        loaded = kbert.load(arguments.generator, task="masked-lm")
    check_floats(loaded, "--generator", arguments.generator)
    if any(name.startswith("mlm") for name in loaded.load_report.new):
        raise kbert.KbertError(
            f"--generator {arguments.generator} has no head that fills in words: it is none, and a "
            "discriminator is named by --init"
        )
    return loaded.with_settings(**settings_of(arguments))


def further_model(arguments: Namespace, loaded: KbertModel, longest: int) -> KbertModel:
    """The loaded model on all devices, with other settings if asked."""
    if longest > loaded.max_length:
        raise kbert.KbertError(
            f"rows of {longest} tokens are longer than the {loaded.max_length} that "
            f"{arguments.init} reads; kbert.lengthen makes a model of it that reads more"
        )
    model = loaded.with_settings(**settings_of(arguments))
    # Else masked words would leave a Longformer's projections of global tokens as they were. (In
    # the last layer they do: nothing looks at [CLS] there.)
    encoder_of(model).cls_is_global = True
    return model


def settings_of(arguments: Namespace) -> dict[str, Any]:
    """What is asked of a loaded model."""
    settings = {"dtype": arguments.precision, "remat": arguments.remat}
    if arguments.dropout is not None:
        settings["hidden_dropout_prob"] = arguments.dropout
        settings["attention_probs_dropout_prob"] = arguments.dropout
    return settings
