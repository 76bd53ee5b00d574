"""The sets that `read_task` knows, by name: one entry a set, one reader a format.

Hyper-parameters are the official code's: KLUE's from the run_all.sh of KLUE-benchmark/KLUE-baseline
for base models (it takes AdamW with the rate falling to 0 in a line and checks four times an epoch
which weights are best); KoELECTRA's finetune folder (monologg/KoELECTRA) for NSMC to hate speech.
Lengths are in tokens, special ones included; `warmup_share` is of all steps. Sets with none of
their own have BERT's usual ones.
"""

from pathlib import Path

from kbert.data.labelled.examples import Examples
from kbert.errors import KbertError
from kbert.labels import REGRESSION_LABELS
from kbert.tasks import label_names as names
from kbert.tasks.answer_files import read_squad
from kbert.tasks.columns import read_json, read_tsv
from kbert.tasks.dependency_files import (
    read_conllu_parses,
    read_conllu_tags,
    read_klue_parses,
)
from kbert.tasks.dialogue_files import read_dialogues
from kbert.tasks.entity_files import read_character_tags
from kbert.tasks.metrics.answers import klue_mrc, korquad
from kbert.tasks.metrics.dependencies import attachment, klue_dp
from kbert.tasks.metrics.entities import klue_ner
from kbert.tasks.metrics.labels import (
    classification,
    correlation,
    klue_re,
    klue_sts,
    multi_label,
)
from kbert.tasks.metrics.states import klue_wos
from kbert.tasks.relation_files import read_relations
from kbert.tasks.task_set import Columns, TaskSet

_SINGLE = "sequence-classification"


def _klue(name: str, ending: str = "json") -> dict[str, tuple[str, ...]]:
    """KLUE's names of files; also parts of them, which have something behind "train" or "dev"."""
    return {
        part: (f"{name}-v1.1_{part}.{ending}", f"{name}-v1.1_{part}_*.{ending}")
        for part in ("train", "dev", "test")
    }


def _parts(name: str, *parts: str) -> dict[str, tuple[str, ...]]:
    return {part: (name.format(part),) for part in parts or ("train", "dev", "test")}


def _kobest(folder: str) -> dict[str, tuple[str, ...]]:
    """Files that have the same names in the folders of all five sets."""
    return {part: (f"{folder}/{part}.tsv", f"{part}.tsv") for part in ("train", "dev", "test")}


def _batches(length: int, batch: int, epochs: int) -> dict[str, int]:
    return {"max_length": length, "batch_size": batch, "epochs": epochs}


def _adamw(rate: float, warmup: float = 0.0, decay: float = 0.0) -> dict[str, float]:
    return {"learning_rate": rate, "warmup_share": warmup, "weight_decay": decay}


def _paraphrases(path: Path, task_set: TaskSet) -> Examples:
    """ParaKQC, whose lines are paraphrases of each other by tens."""
    examples = read_tsv(path, task_set)
    examples.groups = [f"{number // 10}" for number in range(len(examples))]
    labels = examples.labels or []
    for number, label in enumerate(labels):
        first = labels[number // 10 * 10]
        if label != first or len(labels) % 10:
            raise KbertError(
                f"{path}, row {number + 1}: lines are paraphrases by tens, so {len(labels)} are "
                f"not all, or {label!r} does not belong to the {first!r} before it"
            )
    return examples


def _ud(task: str, folder: str, sizes: dict[str, int], note: str) -> TaskSet:
    """A treebank of Universal Dependencies, for its parts of speech or its trees."""
    parsing = task == "dependency-parsing"
    relations = names.GSD_RELATIONS if folder == "gsd" else names.UD_RELATIONS
    return TaskSet(
        task,
        {
            part: (f"ko_{folder}-ud-{part}.conllu", f"{part}.conllu", f"ud_{folder}/{part}.conllu")
            for part in ("train", "dev", "test")
        },
        read_conllu_parses if parsing else read_conllu_tags,
        relations if parsing else names.UPOS,
        attachment if parsing else classification,
        "las" if parsing else "accuracy",
        batches=_batches(256, 32, 10 if parsing else 3),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes=sizes,
        note=note,
    )


_KAIST = "words are parted from punctuation in the text, too; UD 2.2, left-headed"
_GSD = "123 of the 989 test sentences are in the official train file"
_KAIST_SIZES = {"train": 23_010, "dev": 2066, "test": 2287}
_GSD_SIZES = {"train": 4400, "dev": 950, "test": 989}

SETS: dict[str, TaskSet] = {
    "klue-ynat": TaskSet(
        _SINGLE,
        _klue("ynat"),
        read_json,
        names.YNAT,
        classification,
        "macro_f1",
        columns=Columns("title", id="guid"),
        batches=_batches(128, 32, 4),
        optimizer=_adamw(5e-5, 0.1),
        sizes={"train": 45_678, "dev": 9107},
        note="large models: warm-up 0.2; labels stand in another order in `datasets`",
    ),
    "klue-sts": TaskSet(
        _SINGLE,
        _klue("klue-sts"),
        read_json,
        REGRESSION_LABELS,
        klue_sts,
        "pearson",
        problem_type="regression",
        columns=Columns("sentence1", "sentence2", ("labels.real-label", "labels.label"), id="guid"),
        batches=_batches(128, 32, 4),
        optimizer=_adamw(5e-5, 0.1),
        sizes={"train": 11_668, "dev": 519},
        note="labels are the raters' mean (real-label), or with one decimal where a file lacks it; "
        "large models: rate 2e-5; patience 5 checks",
    ),
    "klue-nli": TaskSet(
        _SINGLE,
        _klue("klue-nli"),
        read_json,
        names.NLI,
        classification,
        "accuracy",
        columns=Columns(
            "premise", "hypothesis", ("gold_label", "label"), group="premise", id="guid"
        ),
        batches=_batches(128, 32, 5),
        optimizer=_adamw(5e-5, 0.1),
        sizes={"train": 24_998, "dev": 3000},
        note="large models: warm-up 0.2; patience 5 checks; labels stand in another order in "
        "`datasets`",
    ),
    "klue-ner": TaskSet(
        "token-classification",
        _klue("klue-ner", "tsv"),
        read_character_tags,
        names.NER,
        klue_ner,
        "char_f1",
        batches=_batches(510, 32, 3),
        optimizer=_adamw(5e-5),
        sizes={"train": 21_008, "dev": 5000},
        note="large models: rate 1e-5, batch 8; patience 5 checks; officially [CLS], [SEP] and "
        "padding are O and count in the loss; labels stand in another order in `datasets`",
    ),
    "klue-re": TaskSet(
        _SINGLE,
        _klue("klue-re"),
        read_relations,
        names.RELATIONS,
        klue_re,
        "micro_f1",
        batches=_batches(256, 32, 3),
        optimizer=_adamw(5e-5, 0.1),
        sizes={"train": 32_470, "dev": 7765},
        note="add kbert.tasks.relation_files.MARKS to the vocabulary; large models: rate 2e-5, 10 "
        "epochs, batch 16, warm-up 0.2",
    ),
    "klue-dp": TaskSet(
        "dependency-parsing",
        _klue("klue-dp", "tsv"),
        read_klue_parses,
        names.DEPENDENCIES,
        klue_dp,
        "las_macro_f1",
        batches=_batches(256, 32, 10),
        optimizer=_adamw(5e-5, 0.1),
        sizes={"train": 10_000, "dev": 2000},
        note="the official model is given the gold part of speech of each word; large models: 15 "
        "epochs, warm-up 0.2, best by UAS",
    ),
    "klue-mrc": TaskSet(
        "question-answering",
        _klue("klue-mrc"),
        read_squad,
        [],
        klue_mrc,
        "rouge_w",
        batches=_batches(512, 16, 5),
        optimizer=_adamw(3e-5),
        sizes={"train": 17_554, "dev": 5841},
        note="510 tokens for RoBERTa; officially windows begin 128 tokens apart, questions are cut "
        "to 64 and answers are of at most 30, from the 20 best starts and ends",
    ),
    "klue-wos": TaskSet(
        "dialogue-state-tracking",
        _klue("wos"),
        read_dialogues,
        [],
        klue_wos,
        "slot_f1",
        batches=_batches(510, 16, 5),
        optimizer=_adamw(3e-5, 0.1, 0.01),
        sizes={},
        note="files and scores only: kbert has no model for it; 8,000 and 1,000 dialogues",
    ),
    "nsmc": TaskSet(
        _SINGLE,
        {
            "train": ("ratings_train.txt", "ratings_train_*.txt"),
            "test": ("ratings_test.txt",),
        },
        read_tsv,
        names.SENTIMENT,
        classification,
        "accuracy",
        columns=Columns("document", values=("0", "1"), id="id", quoted=False, empty="keep"),
        batches=_batches(128, 32, 10),
        optimizer=_adamw(5e-5),
        sizes={"train": 150_000, "test": 50_000},
        note="no dev part: split one off train; 3 texts of the test are empty and count as they "
        "are, as in the official figures; a train file other than ratings_train.txt is not "
        "the official one",
    ),
    "kornli": TaskSet(
        _SINGLE,
        {
            "train": ("multinli.train.ko.tsv",),
            "train-snli": ("snli_1.0_train.ko.tsv",),
            "dev": ("xnli.dev.ko.tsv", "xnli.dev.ko.*.tsv"),
            "test": ("xnli.test.ko.tsv", "xnli.test.ko.*.tsv"),
        },
        read_tsv,
        names.NLI,
        classification,
        "accuracy",
        columns=Columns(
            "sentence1",
            "sentence2",
            ("gold_label",),
            group="sentence1",
            quoted=False,
            empty="keep",
        ),
        batches=_batches(128, 64, 15),
        optimizer=_adamw(5e-5),
        sizes={"train": 392_702, "train-snli": 550_152, "dev": 2490, "test": 5010},
        note="small models: batch 128; KoELECTRA's figures are of models trained on MNLI alone; "
        "its labels stand in the order contradiction, entailment, neutral",
    ),
    "korsts": TaskSet(
        _SINGLE,
        _parts("sts-{}.tsv"),
        read_tsv,
        REGRESSION_LABELS,
        correlation,
        "spearman",
        problem_type="regression",
        columns=Columns("sentence1", "sentence2", ("score",), quoted=False),
        batches=_batches(128, 32, 10),
        optimizer=_adamw(5e-5),
        sizes={"train": 5749, "dev": 1500, "test": 1379},
        note="0 to 5; figures of cross-encoders and of sentence vectors are different tables",
    ),
    "korquad": TaskSet(
        "question-answering",
        _parts("KorQuAD_v1.0_{}.json", "train")
        | {"dev": ("KorQuAD_v1.0_dev.json", "KorQuAD_v1.0_dev_*.json")},
        read_squad,
        [],
        korquad,
        "f1",
        batches=_batches(512, 8, 7),
        optimizer=_adamw(5e-5),
        sizes={"train": 60_407, "dev": 5774},
        note="small models: batch 32; in KoELECTRA's code windows begin 128 tokens apart, "
        "questions are cut to 64 and answers are of at most 30, from the 20 best starts and ends",
    ),
    "paws-x-ko": TaskSet(
        _SINGLE,
        {
            "train": ("translated_train.tsv",),
            "dev": ("dev_2k.tsv",),
            "test": ("test_2k.tsv",),
        },
        read_tsv,
        names.PAWS,
        classification,
        "accuracy",
        columns=Columns(
            "sentence1", "sentence2", values=("0", "1"), id="id", quoted=False, empty="skip"
        ),
        batches=_batches(128, 32, 15),
        optimizer=_adamw(3e-5),
        sizes={"train": 49_401, "dev": 2000, "test": 2000},
        note="small models: batch 64; pairs with an empty sentence are left out, as in "
        "KoELECTRA's code",
    ),
    "question-pair": TaskSet(
        _SINGLE,
        _parts("{}.tsv"),
        read_tsv,
        names.QUESTION_PAIR,
        classification,
        "accuracy",
        columns=Columns("question1", "question2", ("is_duplicate",), ("0", "1")),
        batches=_batches(128, 32, 10),
        optimizer=_adamw(5e-5),
        sizes={"train": 6136, "dev": 682, "test": 758},
        note="0 means the same, in spite of the column's name",
    ),
    "korean-hate-speech": TaskSet(
        _SINGLE,
        _parts("{}.tsv", "train", "dev") | {"test": ("test.no_label.tsv",)},
        read_tsv,
        names.HATE,
        classification,
        "macro_f1",
        columns=Columns("comments", label=("hate",)),
        batches=_batches(128, 32, 10),
        optimizer=_adamw(5e-5),
        sizes={"train": 7896, "dev": 471, "test": 974},
        note="the test's labels are not public; published figures chose weights on dev",
    ),
    "k-mhas": TaskSet(
        _SINGLE,
        _parts("kmhas_{}.txt", "train", "test") | {"dev": ("kmhas_valid.txt",)},
        read_tsv,
        names.K_MHAS,
        multi_label,
        "macro_f1",
        problem_type="multi_label_classification",
        columns=Columns("document", values=tuple("012345678")),
        batches=_batches(128, 32, 4),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"train": 78_977, "dev": 8776, "test": 21_939},
        note="36 comments of the test are in dev with the same labels",
    ),
    "kote": TaskSet(
        _SINGLE,
        _parts("{}.tsv", "train", "test") | {"dev": ("val.tsv",)},
        read_tsv,
        names.KOTE,
        multi_label,
        "macro_f1",
        problem_type="multi_label_classification",
        columns=Columns(
            "text",
            values=tuple(map(str, range(44))),
            id="id",
            header=("id", "text", "label"),
        ),
        batches=_batches(128, 32, 4),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"train": 40_000, "dev": 5000, "test": 5000},
    ),
    "3i4k": TaskSet(
        _SINGLE,
        {"train": ("fci_train_val.txt",), "test": ("fci_test.txt",)},
        read_tsv,
        names.INTENTIONS,
        classification,
        "macro_f1",
        columns=Columns("text", values=tuple("0123456"), header=("label", "text"), quoted=False),
        batches=_batches(64, 32, 4),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"train": 55_134, "test": 6121},
    ),
    "parakqc": TaskSet(
        _SINGLE,
        {"all": ("paraKQC_v1.txt",)},
        _paraphrases,
        names.ACTS,
        classification,
        "macro_f1",
        columns=Columns(
            "text",
            label=("act",),
            values=tuple("0123"),
            header=("topic", "act", "text"),
            quoted=False,
        ),
        batches=_batches(64, 32, 4),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"all": 10_000},
        note="what is asked for (of 4), not pairs; each 10 lines are paraphrases, so they are a "
        "group; one file without parts",
    ),
    "kobest-boolq": TaskSet(
        _SINGLE,
        _kobest("BoolQ"),
        read_tsv,
        names.TRUTH,
        classification,
        "macro_f1",
        columns=Columns("Question", "Text", ("Answer",), group="Text", id="ID", quoted=False),
        batches=_batches(512, 16, 5),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"train": 3665, "dev": 700, "test": 1404},
        note="the question first, then the paragraph",
    ),
    "kobest-copa": TaskSet(
        "multiple-choice",
        _kobest("COPA"),
        read_tsv,
        [],
        classification,
        "macro_f1",
        columns=Columns(
            "sentence",
            ("1", "2"),
            ("Answer",),
            ("1", "2"),
            "sentence",
            "ID",
            quoted=False,
            asked=("question", {"원인": "원인은 무엇인가?", "결과": "결과는 무엇인가?"}),
        ),
        batches=_batches(128, 16, 10),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"train": 3076, "dev": 500, "test": 1000},
        note="the question, 원인은 무엇인가? or 결과는 무엇인가?, is put behind the premise",
    ),
    "kobest-hellaswag": TaskSet(
        "multiple-choice",
        _kobest("HellaSwag"),
        read_tsv,
        [],
        classification,
        "macro_f1",
        columns=Columns(
            "context",
            ("choice1", "choice2", "choice3", "choice4"),
            values=tuple("0123"),
            group="context",
        ),
        batches=_batches(256, 16, 5),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"train": 2029, "dev": 500, "test": 500},
        note="9 rows of dev are in train",
    ),
    "kobest-wic": TaskSet(
        _SINGLE,
        _kobest("WiC"),
        read_tsv,
        names.TRUTH,
        classification,
        "macro_f1",
        columns=Columns("SENTENCE1", "SENTENCE2", ("ANSWER",), id="ID", quoted=False),
        batches=_batches(128, 32, 10),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"train": 3318, "dev": 610, "test": 1260},
        note="the word stands in [ ] in both sentences: True, if it means the same",
    ),
    "kobest-sentineg": TaskSet(
        _SINGLE,
        _kobest("SentiNeg"),
        read_tsv,
        names.SENTIMENT,
        classification,
        "macro_f1",
        columns=Columns("Text", label=("Label",), values=("0", "1"), id="ID", quoted=False),
        batches=_batches(128, 32, 10),
        optimizer=_adamw(5e-5, 0.1, 0.01),
        sizes={"train": 3649, "dev": 400, "test": 397},
        note="the test is made of train reviews turned round by negation: intended",
    ),
    "ud-kaist-pos": _ud("token-classification", "kaist", _KAIST_SIZES, _KAIST),
    "ud-kaist-parsing": _ud("dependency-parsing", "kaist", _KAIST_SIZES, _KAIST),
    "ud-gsd-pos": _ud("token-classification", "gsd", _GSD_SIZES, _GSD),
    "ud-gsd-parsing": _ud("dependency-parsing", "gsd", _GSD_SIZES, _GSD),
    "ynat-dacon": TaskSet(
        _SINGLE,
        {"train": ("train_data.tsv", "train_data.csv")},
        read_tsv,
        names.YNAT_DACON,
        classification,
        "macro_f1",
        columns=Columns("title", label=("topic_idx",), values=tuple("0123456"), id="index"),
        batches=_batches(128, 32, 4),
        optimizer=_adamw(5e-5, 0.1),
        sizes={"train": 45_654},
        note="KLUE's YNAT in another split, in which official train and dev are probably mixed: "
        "split it yourself, and never score on YNAT's dev a model that was trained on it",
    ),
}
