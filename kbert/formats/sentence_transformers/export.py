"""A SentenceBert -> a folder that sentence-transformers loads, with the same vectors."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from kbert.errors import KbertError, kind_of
from kbert.files.atomic_files import as_path, written_together
from kbert.formats.base_model import base_model_of
from kbert.formats.families import family_for
from kbert.formats.huggingface.config import config_of
from kbert.formats.huggingface.export import check_exported, write_checkpoint
from kbert.formats.sentence_transformers.names import (
    ACTIVATIONS,
    FLAGS,
    MODULES,
    OF_TRANSFORMER,
    POOLINGS,
)
from kbert.models.sentence import LAST_FOUR, SentenceBert


def export_sentence_transformers(model: SentenceBert, folder: str | Path) -> None:
    """Writes a folder that sentence-transformers loads, with the same vectors.

    Args:
        model: with its tokenizer. Its pooling is any but "last-four".
        folder: where to; it is made if need be. Files of the same names are replaced when all of
            the new ones are whole.

    Raises:
        KbertError: if it is no such model, has no tokenizer, sentence-transformers has no such
            pooling, or the disk is full.

    Example:
        >>> import tempfile
        >>> from kbert import SIZES, Tokenizer
        >>> model = SentenceBert(vocab_size=5, normalize=True, **SIZES["tiny"])
        >>> model.tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_sentence_transformers(model, folder)
        ...     [each["path"] for each in json.loads(Path(folder, MODULES).read_text())]
        ['', '1_Pooling', '2_Normalize']
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    if not isinstance(model, SentenceBert):
        raise KbertError(
            f"expected a SentenceBert, not {kind_of(model)}: SentenceBert.from_encoder makes one"
        )
    check_exported(model)
    if model.pooling == LAST_FOUR:
        raise KbertError(f"sentence-transformers has no pooling {LAST_FOUR!r}")
    # A pooler, which nobody reads here, decides nothing.
    family = family_for(
        model.bert.architecture, {**model.bert.get_config(), "add_pooling_layer": True}, "encoder"
    )
    width = model.bert.hidden_size
    pooling = {flag: mode == POOLINGS[model.pooling] for mode, flag in FLAGS.items()}
    parts: dict[str, dict[str, Any]] = {
        "Pooling": {"word_embedding_dimension": width, **pooling},
    }
    if model.dense is not None:
        parts["Dense"] = {
            "in_features": width,
            "out_features": model.embedding_size,
            "bias": True,
            "activation_function": ACTIVATIONS[model.dense_activation],
        }
    if model.normalize:
        parts["Normalize"] = {}
    names = {"Transformer": "", **{kind: f"{i}_{kind}" for i, kind in enumerate(parts, 1)}}
    modules = [
        {"idx": i, "name": f"{i}", "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(names.items())
    ]
    card = _card(model)
    try:
        with written_together(as_path(folder)) as work:
            write_checkpoint(model.bert, work, family, config_of(model.bert, family), card)
            _write_json(work / MODULES, modules)
            longest = {"max_seq_length": model.max_length, "do_lower_case": False}
            _write_json(work / OF_TRANSFORMER[0], longest)
            for kind, config in parts.items():
                (work / names[kind]).mkdir()
                if config or kind == "Normalize":
                    _write_json(work / names[kind] / "config.json", config)
            if model.dense is not None:
                kernel, bias = model.dense.get_weights()
                tensors = {"linear.weight": np.ascontiguousarray(kernel.T), "linear.bias": bias}
                save_file(tensors, work / names["Dense"] / "model.safetensors", {"format": "pt"})
    except (OSError, SafetensorError) as error:
        raise KbertError(
            f"{folder}: the model was not written, and what stood there is as it was: {error}"
        ) from error


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8", newline="\n")


def _card(model: SentenceBert) -> str:
    layers, base = len(model.bert.layers_in_order), base_model_of(model)
    return f"""---
language: ko
pipeline_tag: sentence-similarity
tags: [kbert, sentence-transformers]
{base.metadata}---

# Korean sentence vectors

A text of up to {model.max_length} tokens becomes a vector of {model.embedding_size} numbers:
{layers} layers, pooling "{model.pooling}"; {model.count_params():,} parameters.

{base.sentence}

```python
import kbert

model = kbert.load("OWNER/NAME")
```

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("OWNER/NAME")
```
{base.sections}"""
