"""Google's own checkpoints of BERT, in which KR-BERT and others came first, in Hugging Face's form.

    bert_config.json                      config.json of a BertForPreTraining
    bert_model.ckpt.*                     its tensors, by Hugging Face's names
    vocab.txt

The names differ by rule, and kernels are (I, O) there and (O, I) here. What an optimizer kept is
left out.

Shapes: I inputs of a projection, O outputs.
Source: google-research/bert, modeling.py and run_pretraining.py; transformers until version 4,
modeling_bert.py, `load_tf_weights_in_bert`.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from kbert.errors import KbertError
from kbert.files.json_file import MAX_JSON_BYTES, read_json_object
from kbert.formats.readers.folder import find_file, read_file
from kbert.formats.readers.stored_tensor import StoredTensor
from kbert.formats.readers.tensorflow import SUFFIX, open_tensorflow

CONFIG = "bert_config.json"
_OF_OPTIMIZERS = ("adam_m", "adam_v", "global_step")
_LEAVES = {"kernel": "weight", "gamma": "weight", "beta": "bias", "output_weights": "weight"}
_OPTIMIZER = re.compile(r"(Adam|LAMB|AdamWeightDecay|AdamLAMB)\w*Optimizer(_\d+)?|beta\d_power")


def is_google(folder: Path) -> bool:
    """Whether a folder is in Google's form, and not in Hugging Face's too.

    A folder that was converted often has both configs.
    """
    return find_file(folder, "config.json") is None and find_file(folder, CONFIG) is not None


def google_config(folder: Path) -> dict[str, Any]:
    """The `config.json` that a folder of Google's would have."""
    path = find_file(folder, CONFIG)
    assert path is not None
    config = read_json_object(read_file(path, MAX_JSON_BYTES), str(folder / CONFIG))
    names = open_tensorflow(_index(folder))
    ending = "Model"
    if "cls/predictions/output_bias" in names:
        ending = "ForPreTraining" if "cls/seq_relationship/output_bias" in names else "ForMaskedLM"
    return {**config, "model_type": "bert", "architectures": [f"Bert{ending}"]}


def open_google(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of a folder of Google's, by Hugging Face's names.

    Raises:
        KbertError: if there is no checkpoint, or more than one, or it is damaged.
    """
    found: dict[str, StoredTensor] = {}
    for name, tensor in open_tensorflow(_index(folder)).items():
        *parts, leaf = name.split("/")
        if leaf in _OF_OPTIMIZERS or _OPTIMIZER.fullmatch(leaf):
            continue
        plain = ".".join(parts).replace("encoder.layer_", "encoder.layer.")
        if leaf.endswith("_embeddings"):
            plain, leaf = f"{plain}.{leaf}", "weight"
        elif leaf == "output_bias":
            leaf = "bias"
        plain = f"{plain}.{_LEAVES.get(leaf, leaf)}"
        found[plain] = _turned(tensor) if leaf == "kernel" else tensor
    return found


def _turned(tensor: StoredTensor) -> StoredTensor:
    """(I, O) -> (O, I)."""
    return StoredTensor(
        tensor.shape[::-1], tensor.dtype, lambda: np.ascontiguousarray(tensor.read().T)
    )


def _index(folder: Path) -> Path:
    """The one index of a checkpoint that a folder has."""
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(SUFFIX))
    if len(names) != 1:
        raise KbertError(
            f"{folder}: has {CONFIG}, and with it belongs one checkpoint of TensorFlow's, as "
            f"bert_model.ckpt.index; it has {', '.join(names) if names else 'none'}"
        )
    index = find_file(folder, names[0])
    assert index is not None
    return index
