"""Longformer: RoBERTa with a window for each token, and some tokens that see all.

A config counts both sides of a window together, `Bert` one. Choices are refused: transformers has
their own tokens see all, and kbert's head has [CLS].

Source: Beltagy et al. 2020.
"""

from dataclasses import replace
from typing import Any

from kbert.errors import KbertError
from kbert.formats.families.bert import LAYER
from kbert.formats.families.family import Rows, Values
from kbert.formats.families.roberta import ROBERTA

_LAYER: Rows = (
    ("self_attention.global_query", "attention.self.query_global"),
    (
        "self_attention.global_key_value",
        ("attention.self.key_global", "attention.self.value_global"),
    ),
    *LAYER,
)


def _read(config: Values, task: str) -> Values:
    given = config.get("attention_window", 512)
    windows = [given] if type(given) is int else given
    if not isinstance(windows, list) or not windows:
        raise KbertError(_wrong(given))
    for window in windows:
        if type(window) is not int or window < 2 or window % 2:
            raise KbertError(_wrong(given))
    layers = config.get("num_hidden_layers")
    if isinstance(given, list) and len(given) != layers:
        raise KbertError(
            f"attention_window has {len(given)} windows, and num_hidden_layers is {layers!r:.80}"
        )
    halves = [window // 2 for window in windows]
    return {
        **ROBERTA.read(config, task),
        "attention_window": halves[0] if len(set(halves)) == 1 else halves,
        "global_attention": True,
    }


def _wrong(given: Any) -> str:
    return (
        "attention_window is an even number from 2, both sides of a token together, or a list of "
        f"one for each layer, not {given!r:.80}"
    )


def _write(arguments: Values) -> Values:
    windows = arguments["attention_window"]
    if not isinstance(windows, list):
        windows = [windows] * arguments["num_hidden_layers"]
    return {
        **ROBERTA.write(arguments),
        "attention_window": [2 * window for window in windows],
    }


LONGFORMER = replace(
    ROBERTA,
    model_type="longformer",
    classes="Longformer",
    prefix="longformer.",
    layer=_LAYER,
    heads={task: rows for task, rows in ROBERTA.heads.items() if task != "multiple-choice"},
    is_mine=lambda arguments, task: arguments.get("global_attention", False),
    read=_read,
    write=_write,
)
