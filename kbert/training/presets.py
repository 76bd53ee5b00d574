"""The settings of a run of pretraining: BERT's published ones, and some for less.

Source: Devlin et al. 2018, appendix A.2; for further pretraining Sun et al. 2019, "How to Fine-Tune
BERT for Text Classification?".
"""

from typing import Any

# What a run takes where it is not told otherwise, by what it is for.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {  # size tiny and a small text, learned by heart: 4 minutes on 2 cores
        "vocab_size": 1500,
        "batch_size": 32,
        "sequence_length": 32,
        "steps": 4000,
        "learning_rate": 3e-3,
        "warmup_steps": 400,
        "weight_decay": 0.01,
        "dropout": 0.0,
    },
    "corpus": {  # sizes tiny to small, and more text than a run reads
        "vocab_size": 16_000,
        "batch_size": 32,
        "sequence_length": 128,
        "steps": 20_000,
        "learning_rate": 1e-3,
        "warmup_steps": 1000,
        "weight_decay": 0.01,
        "dropout": 0.0,
    },
    "further": {  # a model that has been pretrained; its own vocabulary and dropout
        "vocab_size": None,
        "batch_size": 32,
        "sequence_length": 128,
        "steps": 100_000,
        "learning_rate": 5e-5,
        "warmup_steps": 10_000,
        "weight_decay": 0.01,
        "dropout": None,
    },
    "bert": {  # the paper's, for 16 TPUs
        "vocab_size": 32_000,
        "batch_size": 256,
        "sequence_length": 512,
        "steps": 1_000_000,
        "learning_rate": 1e-4,
        "warmup_steps": 10_000,
        "weight_decay": 0.01,
        "dropout": 0.1,
    },
}
