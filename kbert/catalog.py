"""Every model class of kbert, once. All other tables of classes and tasks are read from this one.

A new model is a file in `kbert/models/` and a line here; and where Hugging Face's families have
such a head, a row in each of them (`kbert/formats/families/`).
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """A model class.

    Attributes:
        task: its name, as `kbert.load` takes it.
        class_name: the class.
        module: where it is defined, within kbert.
        suffix: how the classes of transformers that do the same end; None where it has none.
        hub_task: what the Hugging Face Hub calls the task.
        is_pooled: whether it looks at the pooled [CLS], and so needs a pooler.
        takes_labels: whether it has labels with names.
    """

    task: str
    class_name: str
    module: str
    suffix: str | None
    hub_task: str
    is_pooled: bool = False
    takes_labels: bool = False


CATALOG = (
    Entry("encoder", "Bert", "models.bert", "Model", "feature-extraction"),
    Entry(
        "pretraining",
        "BertForPreTraining",
        "models.pretraining",
        "ForPreTraining",
        "fill-mask",
        is_pooled=True,
    ),
    Entry("masked-lm", "BertForMaskedLM", "models.pretraining", "ForMaskedLM", "fill-mask"),
    Entry(
        "next-sentence-prediction",
        "BertForNextSentencePrediction",
        "models.pretraining",
        "ForNextSentencePrediction",
        "text-classification",
        is_pooled=True,
    ),
    Entry(
        "sequence-classification",
        "BertForSequenceClassification",
        "models.classification",
        "ForSequenceClassification",
        "text-classification",
        is_pooled=True,
        takes_labels=True,
    ),
    Entry(
        "token-classification",
        "BertForTokenClassification",
        "models.tagging",
        "ForTokenClassification",
        "token-classification",
        takes_labels=True,
    ),
    Entry(
        "question-answering",
        "BertForQuestionAnswering",
        "models.question_answering",
        "ForQuestionAnswering",
        "question-answering",
    ),
    Entry(
        "multiple-choice",
        "BertForMultipleChoice",
        "models.multiple_choice",
        "ForMultipleChoice",
        "multiple-choice",
        is_pooled=True,
    ),
    Entry(
        "dependency-parsing",
        "BertForDependencyParsing",
        "models.dependency",
        None,
        "token-classification",
        takes_labels=True,
    ),
    Entry(
        "replaced-token-detection",
        "ElectraForPreTraining",
        "models.electra",
        "ForPreTraining",
        "feature-extraction",
    ),
    Entry("sentence-embedding", "SentenceBert", "models.sentence", None, "sentence-similarity"),
)
# The encoders that a head may stand on, by what it calls them (`architecture=`). A new one is a
# file in `kbert/models/` and a line here; see `kbert/models/encoder.py`.
ENCODERS = {
    "bert": CATALOG[0],
    "modernbert": CATALOG[0]._replace(class_name="ModernBert", module="models.modern_bert"),
    "deberta": CATALOG[0]._replace(class_name="Deberta", module="models.deberta"),
    "mobilebert": CATALOG[0]._replace(class_name="MobileBert", module="models.mobile_bert"),
}
BY_TASK = {entry.task: entry for entry in CATALOG}
BY_CLASS = {entry.class_name: entry for entry in (*CATALOG, *ENCODERS.values())}
