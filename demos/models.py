"""The models that the page was given, loaded once; each tab asks for one that can do its job."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import kbert
from kbert.models.base import KbertModel
from kbert.pipelines.encode import tokenizer_of
from kbert.pretrained import bundled_model

BUNDLED = "kbert-mini-ko"
QUICKSTART = "runs/quickstart*/model.keras"
Pipeline = TypeVar("Pipeline")


@dataclass(frozen=True)
class Models:
    """What the tabs share.

    Attributes:
        all: the models, in the order in which they were given; one at least.
        is_quickstart: whether the first is the quickstart's, which knows nothing but laws.
        vocabulary: a second vocabulary to compare the first model's with, or None.
    """

    all: list[KbertModel]
    is_quickstart: bool = False
    vocabulary: kbert.Tokenizer | None = None
    _made: dict[Callable, Any] = field(default_factory=dict)

    def first(self, make: Callable[[KbertModel], Pipeline]) -> Pipeline | None:
        """What `make` makes of the first model that it takes, once; None if it takes none."""
        if make not in self._made:
            self._made[make] = None
            for model in self.all:
                try:
                    self._made[make] = make(model)
                    break
                except kbert.KbertError:
                    continue
        return self._made[make]


def find_model() -> str | Path:
    """The model that comes with kbert or, while there is none, the newest of the quickstart's."""
    if bundled_model(BUNDLED) is not None:
        return BUNDLED
    models = sorted(Path().glob(QUICKSTART), key=lambda m: m.stat().st_mtime)
    if not models:
        raise kbert.KbertError(
            f"there is no {QUICKSTART} here: run `make quickstart` or "
            "`python recipes/pretrain_ko.py`, or pass --model PATH"
        )
    return models[-1]


def load_models(paths: list[str], vocabulary: str | None = None) -> Models:
    """Loads what the command line names; without a model, the one that is found."""
    # Its warnings name words of the text: the page shows them to whoever wrote it, and no log does.
    logging.getLogger("kbert").setLevel(logging.ERROR)
    chosen = paths or [find_model()]
    loaded = [kbert.load(path) for path in chosen]
    for model in loaded:
        tokenizer_of(model)  # raises if there is none
    return Models(
        loaded,
        Path(chosen[0]).match(QUICKSTART),
        None if vocabulary is None else kbert.Tokenizer.from_file(vocabulary),
    )
