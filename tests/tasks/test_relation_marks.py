"""KLUE-RE's marks of entities, from the file to a model that has a token for each."""

import json

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import BertForMaskedLM, extend_vocabulary, read_task
from kbert.data.labelled.batches import LabelledBatches
from kbert.tasks.relation_files import MARKS


@pytest.fixture
def relations(tmp_path):
    sentence = "국회는 국민의 법률을 의결한다."
    row = {
        "guid": "klue-re-v1_train_00000",
        "sentence": sentence,
        "subject_entity": {"word": "국회", "start_idx": 0, "end_idx": 1, "type": "ORG"},
        "object_entity": {"word": "법률", "start_idx": 8, "end_idx": 9, "type": "POH"},
        "label": "org:product",
        "source": "wikitree",
    }
    (tmp_path / "klue-re-v1.1_train.json").write_text(json.dumps([row]), encoding="utf-8")
    return read_task("klue-re", tmp_path)


def test_each_mark_is_one_token_through_saving_and_into_batches(
    relations, small, tokenizer, tmp_path
):
    assert relations.texts == ["<subj>국회</subj>는 국민의 <obj>법률</obj>을 의결한다."]
    pretrained = BertForMaskedLM(**small, add_pooling_layer=True)
    pretrained.tokenizer = tokenizer
    assert "[UNK]" in tokenizer.tokenize(relations.texts[0])  # of < and >, before

    model = extend_vocabulary(pretrained, MARKS)
    expected = "<subj> 국회 </subj> 는 국민 ##의 <obj> 법률 </obj>".split()
    model.save(tmp_path / "marked.keras")
    again = kbert.load(tmp_path / "marked.keras", "sequence-classification", relations.label_names)
    kbert.export_huggingface(model, tmp_path / "folder")
    for each in (model, again, kbert.load(tmp_path / "folder")):
        assert each.tokenizer.tokenize(relations.texts[0])[: len(expected)] == expected
        marks = [each.tokenizer.vocabulary.index(mark) for mark in MARKS]
        assert marks == list(range(len(tokenizer), len(tokenizer) + 4))

    x, _, _ = LabelledBatches(relations, again, batch_size=1)[0]
    ids = x["input_ids"][0].tolist()
    assert [ids.count(mark) for mark in marks] == [1, 1, 1, 1]
    # A mark begins where its pieces were: here all are unknown, so with the mean of all tokens.
    table = ops.convert_to_numpy(pretrained.bert.embeddings.token_table)[: len(tokenizer)]
    longer = ops.convert_to_numpy(again.bert.embeddings.token_table)
    np.testing.assert_allclose(longer[marks[0]], table.mean(axis=0), atol=1e-6)
