"""Writes a small model, and what it answers: `python tests/golden/make.py FOLDER NAME`.

The tests run it on every backend and open the files on every other. `format-1.keras` and
`format-1.npz` beside it were written once by kbert 0.1.0 and stay as they are.
"""

import sys
from pathlib import Path

import numpy as np
from keras import ops

from kbert import BertForPreTraining, Tokenizer

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 축구 ##는 정말 재미있 ##다 . 국회 ##에 국민 ##의".split()
INPUTS = {
    "input_ids": np.array([[2, 5, 6, 7, 4, 9, 10, 3], [2, 11, 12, 3, 13, 14, 3, 0]], "int32"),
    "token_type_ids": np.array([[0] * 8, [0, 0, 0, 0, 1, 1, 1, 0]], "int32"),
    "attention_mask": np.array([[1] * 8, [1] * 7 + [0]], "int32"),
    "masked_lm_positions": np.array([[4, 6], [1, 2]], "int32"),
}


def main(folder: Path, name: str) -> None:
    model = BertForPreTraining(
        vocab_size=16,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=10,
        initializer_range=0.4,
        layer_norm_eps=1e-6,
        seed=3,
    )
    model.tokenizer = Tokenizer(WORDS, lowercase=True)
    model.save(folder / f"{name}.keras")
    outputs = {key: ops.convert_to_numpy(value) for key, value in model(INPUTS).items()}
    np.savez(folder / f"{name}.npz", **outputs)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
