"""Small random checkpoints of every family, written by transformers in the real format."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"가나다라마바사아자차카타파하"]
VOCABULARY += [f"##{token}" for token in VOCABULARY[5:]] + ["축구", "경기"]
KLUE_ROBERTA_ORDER = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]

_SIZES = {
    "vocab_size": len(VOCABULARY) + 3,  # checkpoints pad their tables: more rows than tokens
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 24,
}
CONFIGS = {
    "bert": ("Bert", {**_SIZES, "layer_norm_eps": 1e-5}),
    "roberta": (
        "Roberta",
        {
            **_SIZES,
            "max_position_embeddings": 26,
            "type_vocab_size": 1,
            "layer_norm_eps": 1e-5,
            "pad_token_id": 1,
            "bos_token_id": 0,
            "eos_token_id": 2,
        },
    ),
    # Rows longer than either window.
    "longformer": (
        "Longformer",
        {
            **_SIZES,
            "max_position_embeddings": 322,
            "type_vocab_size": 1,
            "pad_token_id": 1,
            "bos_token_id": 0,
            **dict.fromkeys(("eos_token_id", "sep_token_id"), 2),
            "attention_window": [4, 8],
        },
    ),
    "xlm-roberta": (
        "XLMRoberta",
        {**_SIZES, "max_position_embeddings": 26, "type_vocab_size": 1, "pad_token_id": 1},
    ),
    "distilbert": (
        "DistilBert",
        {
            "vocab_size": _SIZES["vocab_size"],
            "dim": 12,
            "n_layers": 2,
            "n_heads": 3,
            "hidden_dim": 20,
            "max_position_embeddings": 24,
        },
    ),
    "electra": ("Electra", {**_SIZES, "embedding_size": 8}),
    # E as wide as D, where ALBERT projects all the same; 3 layers of 2 groups, each of 2 layers.
    "albert": (
        "Albert",
        {
            **_SIZES,
            "embedding_size": 12,
            "num_hidden_layers": 3,
            "num_hidden_groups": 2,
            "inner_group_num": 2,
        },
    ),
    # Both kinds of layers, rows longer than the window, and thetas of which the files say both.
    "modernbert": (
        "ModernBert",
        {
            **{name: _SIZES[name] for name in _SIZES if name != "max_position_embeddings"},
            "num_hidden_layers": 4,
            "max_position_embeddings": 400,
            "local_attention": 4,
            "norm_eps": 1e-4,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 50.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 9.0},
            },
            "classifier_pooling": "mean",
            **dict.fromkeys(("pad_token_id", "bos_token_id", "cls_token_id"), 0),
            **dict.fromkeys(("eos_token_id", "sep_token_id"), 3),
        },
    ),
    # Rows longer than half of the buckets, and than the longest distance.
    "deberta-v2": (
        "DebertaV2",
        {
            **_SIZES,
            "layer_norm_eps": 1e-5,
            "relative_attention": True,
            "position_buckets": 4,
            "max_relative_positions": 6,
            "position_biased_input": False,
            "pos_att_type": ["p2c", "c2p"],
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
        },
    ),
    # Every width another.
    "mobilebert": (
        "MobileBert",
        {
            **_SIZES,
            "embedding_size": 5,
            "intra_bottleneck_size": 6,
            "num_feedforward_networks": 3,
            "layer_norm_eps": 1e-5,
        },
    ),
    "big_bird": ("BigBird", {**_SIZES, "attention_type": "original_full", "sep_token_id": 3}),
}


def make_reference(model_type: str, ending: str, **settings):
    """A transformers model in float32 for inference, with weights of which none is 0 or 1."""
    torch.manual_seed(7)
    classes, sizes = CONFIGS[model_type]
    sizes = {**sizes, **settings}
    config = getattr(transformers, f"{classes}Config")(**sizes)
    if model_type != "big_bird":
        config._attn_implementation = "eager"  # the one that returns weights
    model = getattr(transformers, f"{classes}{ending}")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def write_checkpoint(model, folder: Path) -> Path:
    """Saves a transformers model with a WordPiece vocabulary beside it."""
    model.save_pretrained(folder)
    tokens = VOCABULARY
    if model.config.pad_token_id == 1:
        tokens = KLUE_ROBERTA_ORDER + VOCABULARY[5:]
    (folder / "vocab.txt").write_text("".join(f"{t}\n" for t in tokens), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def batch(model_type: str) -> dict[str, np.ndarray]:
    """A pair, and a single text with padding, as the family's tokenizer gives them."""
    pad, cls, sep = (1, 0, 2) if "roberta" in model_type else (0, 2, 3)
    ids = np.array([[cls, 7, 30, 8, sep, 9, 10, sep], [cls, 33, 4, 12, sep, pad, pad, pad]])
    mask = np.array([[1] * 8, [1] * 5 + [0] * 3])
    inputs = {"input_ids": ids.astype("int32"), "attention_mask": mask.astype("int32")}
    if model_type in ("bert", "electra", "albert", "big_bird", "mobilebert"):
        segments = np.array([[0] * 5 + [1] * 3, [0] * 8])
        inputs["token_type_ids"] = segments.astype("int32")
    return inputs
