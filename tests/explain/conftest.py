import pytest

from kbert import BertForPreTraining

TEXT = "국회에 나 경기를 [MASK]"
PAIR = "우리 법률을 의결한다."


@pytest.fixture
def model(small, tokenizer):
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    return model
