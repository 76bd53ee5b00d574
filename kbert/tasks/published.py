"""Scores that others published, to print beside one's own: with the split and the source.

They are of the split that is named, mostly the best of several checkpoints chosen by the very set
they were measured on (see `note`), with one seed. The same model differs by up to 2 points from one
source to the next.
"""

from typing import NamedTuple

from kbert.tasks.sets import SETS

KLUE_PAPER = "KLUE-benchmark/KLUE, README (Park et al. 2021, arXiv 2105.09680)"
KOELECTRA = "monologg/KoELECTRA, README"
KCELECTRA = "Beomi/KcELECTRA, README"


class Published(NamedTuple):
    """A published result.

    Attributes:
        model: its name.
        scores: in [0, 1], by the names that the set's metric gives.
        split: the part that it was measured on.
        source: where it was published.
    """

    model: str
    scores: dict[str, float]
    split: str
    source: str


# (set, score) of each column.
_KLUE_COLUMNS = """klue-ynat:macro_f1 klue-sts:pearson klue-sts:f1 klue-nli:accuracy
    klue-ner:entity_f1 klue-ner:char_f1 klue-re:micro_f1 klue-re:auprc"""
_KLUE = """
mBERT               81.55 84.66 76.00 73.20 76.50 89.23 57.88 53.82
XLM-R-base          83.52 89.16 82.01 77.33 80.37 92.12 57.46 54.98
KR-BERT-base        84.58 88.61 81.07 77.17 74.58 90.13 62.74 60.94
KoELECTRA-base      84.59 92.46 84.84 85.63 86.11 92.56 62.85 58.94
KLUE-BERT-base      85.73 90.85 82.84 81.63 83.97 91.39 66.44 66.17
KLUE-RoBERTa-small  84.98 91.54 85.16 79.33 83.65 91.14 60.89 58.96
KLUE-RoBERTa-base   85.07 92.50 85.40 84.83 84.60 91.44 67.65 68.55
KLUE-RoBERTa-large  85.69 93.35 86.63 89.17 85.00 91.86 71.13 72.98
"""
_KLUE_COLUMNS_2 = """klue-dp:uas_macro_f1 klue-dp:las_macro_f1 klue-mrc:em klue-mrc:rouge_w
    klue-wos:joint_goal_accuracy klue-wos:slot_f1"""
_KLUE_2 = """
mBERT               90.30 86.66 44.66 55.92 35.46 88.63
XLM-R-base          89.20 87.69 27.48 53.93 39.82 89.61
KR-BERT-base        89.92 87.48 48.28 58.54 45.33 90.70
KoELECTRA-base      92.90 87.77 59.82 66.05 41.58 89.60
KLUE-BERT-base      89.96 88.05 62.32 68.51 46.64 91.61
KLUE-RoBERTa-small  90.04 88.14 57.32 62.70 46.62 91.44
KLUE-RoBERTa-base   93.04 88.32 68.67 73.98 47.49 91.64
KLUE-RoBERTa-large  93.48 88.36 75.58 80.59 50.22 92.23
"""
_OTHER_COLUMNS = """nsmc:accuracy paws-x-ko:accuracy kornli:accuracy korsts:spearman
    question-pair:accuracy korquad:em korquad:f1 korean-hate-speech:macro_f1"""
_KOELECTRA = """
DistilKoBERT        88.60 60.50 72.00 72.59 92.48 54.40 77.97 60.72
KoELECTRA-small     88.83 73.10 76.45 76.56 93.01 58.04 86.76 63.03
KoELECTRA-small-v2  88.83 72.35 78.14 77.84 93.27 81.43 90.46 60.14
KoELECTRA-small-v3  89.36 77.45 78.60 80.79 94.85 82.11 91.13 63.07
KoBERT              89.59 81.25 79.62 81.59 94.85 51.75 79.15 66.21
XLM-R-base          89.03 82.80 80.23 78.45 93.80 64.70 88.94 64.06
HanBERT             90.06 82.95 80.32 82.73 94.72 78.74 92.02 68.32
KoELECTRA-base      90.33 81.70 80.64 82.00 93.54 60.86 89.28 66.09
KoELECTRA-base-v2   89.56 80.70 80.72 82.30 94.85 84.01 92.40 67.45
KoELECTRA-base-v3   90.63 84.45 82.24 85.53 95.25 84.83 93.45 67.61
"""
_KCELECTRA = """
KcBERT-base         89.62 66.95 74.85 75.57 93.93 60.25 84.39
KcBERT-large        90.68 70.15 76.99 77.49 94.06 62.16 86.64
KcELECTRA-base      91.71 74.80 81.65 82.65 95.78 70.60 90.11
"""
# Of models that make a vector of each text alone, and are scored by the cosine of two: bi-encoders,
# a table of their own beside the models above, which read both texts at once.
_HAM = "Ham et al. 2020, KorNLI and KorSTS (arXiv 2004.03289)"
_SIMCSE_KO = "snumin44/SimCSE-KO, README"
_BI_ENCODERS = {
    "korsts": [
        Published("SRoBERTa-base, KorNLI", {"spearman": 0.7419}, "test", _HAM),
        Published("SRoBERTa-base, KorNLI and KorSTS", {"spearman": 0.8029}, "test", _HAM),
        Published("SRoBERTa-large, KorNLI and KorSTS", {"spearman": 0.8049}, "test", _HAM),
        Published("KoSBERT-SKT", {"spearman": 0.7847}, "test", "BM-K/KoSentenceBERT-SKT, README"),
        Published("KoSimCSE-BERT-SKT", {"spearman": 0.8256}, "test", "BM-K/KoSimCSE-SKT, README"),
        Published("ko-sbert-nli", {"spearman": 0.8316}, "test", "jhgan/ko-sbert-nli, README"),
        Published(
            "ko-sroberta-multitask",
            {"spearman": 0.8560},
            "test",
            "jhgan/ko-sroberta-multitask, README",
        ),
    ],
    "klue-sts": [
        Published("SimCSE-BERT-KO, KorNLI", {"spearman": 0.8432}, "dev", _SIMCSE_KO),
        Published("SimCSE-RoBERTa-KO, KorNLI", {"spearman": 0.8564}, "dev", _SIMCSE_KO),
    ],
}
_SPLITS = {"korquad": "dev", "korean-hate-speech": "dev"}  # of the others: "test"


def _read(table: str, columns: str, source: str) -> dict[str, list[Published]]:
    found: dict[str, list[Published]] = {}
    names = [column.split(":") for column in columns.split()]
    for line in table.split("\n"):
        model, *numbers = line.split() or [""]
        scores: dict[str, dict[str, float]] = {}
        for (name, key), number in zip(names, numbers, strict=False):  # the last may be missing
            scores.setdefault(name, {})[key] = round(float(number) / 100, 4)
        for name, of_set in scores.items():
            row = Published(model, of_set, _SPLITS.get(name, "test"), source)
            found.setdefault(name, []).append(row)
    return found


_TABLES = (
    _read(_KLUE, _KLUE_COLUMNS, KLUE_PAPER),
    _read(_KLUE_2, _KLUE_COLUMNS_2, KLUE_PAPER),
    _read(_KOELECTRA, _OTHER_COLUMNS, KOELECTRA),
    _read(_KCELECTRA, _OTHER_COLUMNS, KCELECTRA),
)


def published(name: str, *, bi_encoders: bool = False) -> list[Published]:
    """What others published for a set.

    Args:
        name: of the set.
        bi_encoders: whether the figures are of models that make a vector of each text alone.

    Example:
        >>> row = published("nsmc")[0]
        >>> row.model, row.scores, row.split
        ('DistilKoBERT', {'accuracy': 0.886}, 'test')
        >>> published("kote")
        []
        >>> published("korsts", bi_encoders=True)[0].model
        'SRoBERTa-base, KorNLI'
    """
    if bi_encoders:
        return _BI_ENCODERS.get(name, [])
    return [row for table in _TABLES for row in table.get(name, [])]


def why_not_comparable(
    name: str,
    part: str,
    examples: int,
    *,
    trained_on: int | None = None,
    bi_encoders: bool = False,
) -> list[str]:
    """Why one's own score must not stand beside the published ones without a word.

    Args:
        name: of the set.
        part: on which one scored.
        examples: how many it had.
        trained_on: how many examples one trained on, or None if that is not asked.
        bi_encoders: whether the figures are of models that make a vector of each text alone.

    Returns:
        Reasons, as half sentences; none, if part and sizes are those of the published scores.

    Example:
        >>> why_not_comparable("klue-nli", "dev", 3000)
        ['published on the test part, this is dev']
        >>> why_not_comparable("korquad", "dev", 4537)
        ['4,537 of the 5,774 examples of dev']
        >>> why_not_comparable("nsmc", "test", 50_000, trained_on=150_000)
        []
    """
    sizes, reasons = SETS[name].sizes, []
    splits = {row.split for row in published(name, bi_encoders=bi_encoders)}
    if splits and part not in splits:
        reasons.append(f"published on the {' or '.join(sorted(splits))} part, this is {part}")
    for of_part, number in ((part, examples), ("train", trained_on)):
        official = sizes.get(of_part, number)
        if number is not None and number != official:
            what = "" if of_part == part else "trained on "
            reasons.append(f"{what}{number:,} of the {official:,} examples of {of_part}")
    return reasons
