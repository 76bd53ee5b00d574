"""RoBERTa and XLM-RoBERTa: positions are counted from behind the padding's id.

Source: Liu et al. 2019; Conneau et al. 2020; fairseq, whose positions these are.
"""

from dataclasses import replace

from kbert.errors import KbertError
from kbert.formats.families.bert import like_bert
from kbert.formats.families.family import LABEL, POOLED_LABEL, SPAN, Rows, Values, check_words_head

_MASKED_LM: Rows = (
    ("mlm.transform", "lm_head.dense"),
    ("mlm.layer_norm", "lm_head.layer_norm"),
    ("mlm.bias", "lm_head.bias"),
    ("mlm.decoder", "lm_head.decoder.weight"),
)


def _read(config: Values, task: str) -> Values:
    check_words_head(config, task)
    pad = config.get("pad_token_id", 1)
    if type(pad) is not int or pad < 0:
        raise KbertError(f"pad_token_id is a whole number from 0, not {pad!r:.80}")
    return {"position_offset": pad + 1}


def _write(arguments: Values) -> Values:
    offset = arguments["position_offset"]
    return {"pad_token_id": offset - 1} if offset else {}


ROBERTA = like_bert(
    model_type="roberta",
    classes="Roberta",
    prefix="roberta.",
    heads={
        "masked-lm": _MASKED_LM,
        "sequence-classification": POOLED_LABEL,
        "token-classification": LABEL,
        "question-answering": SPAN,
        "multiple-choice": LABEL,
    },
    is_mine=lambda arguments, task: arguments["position_offset"] > 0,
    read=_read,
    write=_write,
)
XLM_ROBERTA = replace(
    ROBERTA,
    model_type="xlm-roberta",
    classes="XLMRoberta",
    is_mine=lambda arguments, task: False,  # it computes what RoBERTa does
)
