"""Scores a pretrained model on text that it has not seen.

    python recipes/evaluate.py --model runs/mine/model.keras --corpus heldout.txt

Reads the corpus as next-sentence pairs once, masks 15% of it, and prints the MLM loss beside the
unigram baseline's, and the accuracy of both heads. Equal seeds give equal figures.
"""

import argparse
import sys

import kbert
from kbert.console import console
from kbert.data.baseline import unigram_loss
from kbert.data.batches import PretrainingBatches
from kbert.data.corpus import read_documents
from kbert.data.shards import encode_documents
from kbert.training.losses import objective


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="a .keras file of a BertForPreTraining")
    parser.add_argument("--corpus", nargs="+", required=True, help="as for pretrain_ko.py")
    parser.add_argument("--encoding", default="utf-8", help="of the corpus; cp949 for older files")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    arguments, screen = parse_arguments(), console()

    # 1. The model, which brings its tokenizer.
    model = kbert.load(arguments.model)
    if not isinstance(model, kbert.BertForPreTraining) or model.tokenizer is None:
        raise kbert.KbertError(
            f"{arguments.model} holds a {type(model).__name__}"
            f"{'' if model.tokenizer else ' without a vocabulary'}; "
            "a BertForPreTraining with one is needed"
        )

    # 2. The corpus, as the model was trained on its own: pairs, masked.
    documents = read_documents(arguments.corpus, arguments.encoding)
    shard = encode_documents(documents, model.tokenizer)
    batches = PretrainingBatches(
        shard,
        model.tokenizer,
        sequence_length=model.max_length,
        batch_size=arguments.batch_size,
        seed=arguments.seed,
    )

    # 3. The scores.
    model.compile(**objective("pretraining"))
    scores = model.evaluate(batches, verbose=0, return_dict=True)
    screen.print(
        f"{shard.num_documents:,} documents, {len(shard.ids):,} tokens, "
        f"{100 * (shard.ids == model.tokenizer.unk_id).mean():.2f}% [UNK]\n"
        f"MLM loss {scores['mlm_loss']:.3f} (by frequency alone "
        f"{unigram_loss([shard], model.tokenizer):.3f}), "
        f"MLM accuracy {100 * scores['mlm_accuracy']:.1f}%\n"
        f"NSP loss {scores['nsp_loss']:.3f}, NSP accuracy {100 * scores['nsp_accuracy']:.1f}% "
        f"({len(batches) * arguments.batch_size:,} pairs)"
    )


if __name__ == "__main__":
    try:
        main()
    except kbert.KbertError as error:
        sys.exit(f"error: {error}")
