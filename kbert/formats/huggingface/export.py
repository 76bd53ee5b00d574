"""A model of kbert -> a checkpoint folder that transformers loads.

model -> config.json, model.safetensors, the tokenizer's files, README.md (the model card)
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kbert.catalog import BY_TASK
from kbert.errors import KbertError, kind_of
from kbert.files.atomic_files import as_path, written_together
from kbert.formats.base_model import base_model_of
from kbert.formats.families import family_for, family_of
from kbert.formats.families.family import COPIES, Family
from kbert.formats.huggingface.config import config_of, has_no_segments
from kbert.formats.huggingface.weights import places
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_of
from kbert.models.frozen import check_floats
from kbert.models.lora import check_no_adapters


def export_huggingface(
    model: KbertModel, folder: str | Path, *, model_type: str | None = None
) -> None:
    """Writes a checkpoint that transformers loads, with the same outputs.

    Args:
        model: any of kbert's, with its tokenizer.
        folder: where to; it is made if need be. Files of the same names are replaced when all of
            the new ones are whole.
        model_type: the family, as "bert" or "electra"; None means the plainest one whose class in
            transformers computes what the model does.

    Raises:
        KbertError: if the model has no tokenizer, the family cannot express it, or the disk is
            full.

    Example:
        >>> import tempfile
        >>> from kbert import Bert, Tokenizer
        >>> bert = Bert(vocab_size=5, hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
        ...             intermediate_size=8)
        >>> bert.tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_huggingface(bert, folder)
        ...     json.loads(Path(folder, "config.json").read_text())["architectures"]
        ['BertModel']
    """
    from safetensors import SafetensorError

    if not isinstance(model, KbertModel):
        raise KbertError(
            f"expected a model of kbert, not {kind_of(model)}; of a model of your own take "
            "the one of kbert within"
        )
    task = model.task
    if BY_TASK[task].suffix is None:
        whole = "; the whole goes out by kbert.export_sentence_transformers"
        raise KbertError(
            f"transformers has no class for {task!r}: export model.bert"
            f"{whole if task == 'sentence-embedding' else ''}"
        )
    check_exported(model)
    encoder = encoder_of(model)
    own = family_for(encoder.architecture, encoder.get_config(), task)
    family = own if model_type is None else family_of(model_type)
    config = config_of(model, family)
    try:
        with written_together(as_path(folder)) as work:
            write_checkpoint(model, work, family, config, model_card(model))
    except (OSError, SafetensorError) as error:
        raise KbertError(
            f"{folder}: the checkpoint was not written, and what stood there is as it was: {error}"
        ) from error


def check_exported(model: KbertModel) -> None:
    """Raises KbertError if a model cannot go out.

    It has adapters (LoRA), weights that are no floats, unequal layers, or no tokenizer.
    """
    check_no_adapters(model)
    check_floats(model, "an export to Hugging Face's files")
    for name in ("heads_per_layer", "intermediate_sizes"):
        unequal = encoder_of(model).get_config().get(name)
        if unequal is not None:
            raise KbertError(
                f"{name} is {unequal!r:.80} after pruning, and all layers of transformers' classes "
                "have as many: save it as .keras"
            )
    if model.tokenizer is None:
        raise KbertError(
            "the model has no vocabulary, and nobody could use the checkpoint: set "
            'model.tokenizer = kbert.Tokenizer.from_file("vocab.txt") before'
        )


def write_checkpoint(
    model: KbertModel, work: Path, family: Family, config: dict[str, Any], card: str
) -> None:
    """Writes a model's files of a family into a folder; `card` becomes README.md."""
    from safetensors.numpy import save_file

    assert model.tokenizer is not None
    model.tokenizer.save_huggingface(work)
    save_file(_tensors(model, family), work / "model.safetensors", {"format": "pt"})
    for name, text in (
        ("config.json", json.dumps(config, ensure_ascii=False, indent=2) + "\n"),
        ("README.md", card),
    ):
        (work / name).write_text(text, encoding="utf-8", newline="\n")


def _tensors(model: KbertModel, family: Family) -> dict[str, np.ndarray]:
    """A model's weights by the names and in the shapes of a family's checkpoints."""
    tensors: dict[str, np.ndarray] = {}
    for place in places(model, family):
        weight = keras.ops.convert_to_numpy(place.variable.value)
        tensors |= zip(place.names, place.split(weight), strict=True)
    encoder = encoder_of(model)
    if has_no_segments(encoder.get_config(), family):
        name = str(dict(family.embeddings)["embeddings.segment_table"])
        zeros = np.zeros((1, encoder.embeddings.embedding_size), np.float32)
        tensors[("" if model is encoder else family.prefix) + name] = zeros
    if hasattr(model, "mlm") and not model.mlm.tied:
        # A head that is not tied reads the bias beside its decoder.
        for bias, copy in COPIES.items():
            if bias in tensors:
                tensors[copy] = tensors[bias].copy()
    return tensors


def model_card(model: KbertModel) -> str:
    """The README.md of a repository on the Hub: what the model is, and how to load it."""
    task = model.task
    entry = BY_TASK[task]
    auto_class = "AutoModel" if task == "encoder" else f"AutoModel{entry.suffix}"
    config, encoder = model.get_config(), encoder_of(model)
    family = family_for(encoder.architecture, encoder.get_config(), task)
    if task in family.suffixes:  # which no auto class finds
        auto_class = family.class_for(task)
    shape = (
        f"{config['num_hidden_layers']} layers, hidden size {config['hidden_size']}, "
        f"{config['num_attention_heads']} heads, {config['vocab_size']:,} tokens, up to "
        f"{model.max_length} positions"
    )
    labels = f"\nLabels: {', '.join(model.labels)}.\n" if hasattr(model, "labels") else ""
    base = base_model_of(model)
    return f"""---
language: ko
pipeline_tag: {entry.hub_task}
tags: [kbert, keras]
{base.metadata}---

# A Korean BERT

A `{type(model).__name__}` of kbert: {shape}; {model.count_params():,} parameters.
{labels}
{base.sentence}

With kbert, on TensorFlow, JAX or PyTorch:

```python
import kbert

model = kbert.load("OWNER/NAME", task="{task}")
```

With transformers:

```python
from transformers import AutoTokenizer, {auto_class}

tokenizer = AutoTokenizer.from_pretrained("OWNER/NAME")
model = {auto_class}.from_pretrained("OWNER/NAME")
```
{base.sections}"""
