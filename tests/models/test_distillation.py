"""A student and its teacher: the terms, what is moved by them, what is kept, what is refused."""

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Distillation, DistillationBatches, Examples, KbertError, LabelledBatches
from kbert.data.pretraining.batches import PretrainingBatches
from kbert.data.shards.shards import encode_documents
from kbert.training.checkpoint import find_checkpoint, restore, save_checkpoint, state_of
from kbert.training.evaluation import mean_scores
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from kbert.training.stages import Interval
from tests.conftest import SENTENCES

LABELS = ["법", "축구"]


def number(tensor):
    return ops.convert_to_numpy(tensor)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def teacher_of(small, tokenizer=None, **changes):
    changes |= {} if tokenizer is None else {"vocab_size": len(tokenizer)}
    teacher = kbert.BertForMaskedLM(**{**small, "num_hidden_layers": 3, **changes})
    teacher.tokenizer = tokenizer
    return teacher


def compiled(model, rate=1e-2, steps=40, **more):
    model.compile(adamw(rate, steps), **objective(model, **more))
    return model


def batches_of(tokenizer, model, steps, batch_size=4):
    batches = PretrainingBatches(
        encode_documents([SENTENCES] * 3, tokenizer),
        tokenizer,
        sequence_length=16,
        batch_size=batch_size,
        seed=0,
        steps=steps,
        objective="masked-lm",
    )
    return DistillationBatches(batches, model)


@pytest.fixture
def korean():
    return kbert.Tokenizer.train(SENTENCES, 80)


@pytest.fixture
def masked(inputs):
    """A batch of masked words: 3 positions of the two rows, the fourth is filling."""
    labels = np.array([[9, 21], [14, 0]], "int32")
    return inputs, labels, np.array([[1, 1], [1, 0]], "float32")


@pytest.mark.parametrize("soft_targets", ["masked", "all"])
def test_the_three_terms_by_numpy(soft_targets, small, masked):
    teacher = teacher_of(small)
    model = Distillation(kbert.keep_layers(teacher, 2), teacher, soft_targets=soft_targets)
    x, y, weights = DistillationBatches([masked], compiled(model))[0]
    logs = model.test_on_batch(x, y, weights, return_dict=True)

    positions = x["masked_lm_positions"]
    mask = x["attention_mask"].astype("float64")
    row = {name: x[name] for name in x if name != "masked_lm_positions"}
    student, taught = (number(each(row)).astype("float64") for each in (model.student, teacher))
    p, q = softmax(taught / 2), softmax(student / 2)
    soft = 4 * (p * np.log(p / q)).sum(-1)  # (2, 7)
    counted = mask if soft_targets == "all" else np.zeros((2, 7))
    if soft_targets == "masked":
        counted[0, 1] = counted[0, 5] = counted[1, 2] = 1
    at = np.take_along_axis(softmax(student), positions[..., None], 1)  # (2, 2, 40)
    right = np.take_along_axis(at, masked[1][..., None], -1)[..., 0]
    one, two = (number(each.bert(row)["last_hidden_state"]) for each in (model.student, teacher))
    cosines = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
    expected = {
        "soft_loss": (soft * counted).sum() / counted.sum(),
        "mlm_loss": -(np.log(right) * weights["mlm"]).sum() / 3,
        "hidden_loss": ((1 - cosines) * mask).sum() / 12,
    }
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=2e-4), name
    whole = 5 * expected["soft_loss"] + 2 * expected["mlm_loss"] + expected["hidden_loss"]
    assert float(logs["loss"]) == pytest.approx(whole, rel=2e-4)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # for what is behind attention
def test_relations_by_numpy(small, masked):
    """MiniLM's equations 4 and 6, of a teacher that is wider."""
    student, teacher = (
        kbert.BertForMaskedLM(**{**small, "hidden_size": size, "seed": size}) for size in (12, 15)
    )
    model = Distillation(student, teacher, weights={"relations": 1})
    model.compile("sgd", **{**objective(model), "jit_compile": False})  # without decay
    x, y, weights = DistillationBatches([masked], model)[0]
    logs = model.test_on_batch(x, y, weights, return_dict=True)

    mask, relations = x["attention_mask"].astype("float64"), []
    for each in (student, teacher):
        states = each.bert(x, output_hidden_states=True)["hidden_states"]
        dense = each.bert.encoder_layers[-1].self_attention.query_key_value
        projected = number(states[-2]) @ number(dense.kernel) + number(dense.bias)
        heads = projected.reshape(2, 7, 3, 3, -1).astype("float64")  # (B, L, q k v, N, H)
        q, k, v = heads.transpose(2, 0, 3, 1, 4)  # (B, N, L, H)
        for a, b in ((q, k), (v, v)):
            scores = a @ b.swapaxes(-1, -2) / np.sqrt(a.shape[-1])
            relations.append(softmax(np.where(mask[:, None, None] > 0, scores, -np.inf)))
    expected = 0
    for of_student, of_teacher in zip(relations[:2], relations[2:], strict=True):
        real = of_teacher > 0
        ratio = np.where(real, of_teacher, 1) / np.where(real, of_student, 1)
        apart = (of_teacher * np.log(ratio)).sum(-1).mean(1)  # (B, L)
        expected += (apart * mask).sum() / mask.sum()
    assert expected > 1e-3
    assert float(logs["loss"]) == pytest.approx(expected, rel=1e-4)

    before = [number(weight) for weight in student.weights]
    model.train_on_batch(x, y, weights)
    moved = {
        weight.path
        for weight, old in zip(student.weights, before, strict=True)
        if np.abs(number(weight) - old).max() > 0
    }
    last = {path for path in moved if "encoder_layer_1" in path}
    # Of the last layer what makes queries, keys and values, and nothing behind it.
    assert all("query_key_value" in path for path in last) and len(last) == 2
    assert any("encoder_layer_0/feed_forward" in path for path in moved)


def test_all_positions_in_parts_have_the_gradient_of_all_at_once(small, monkeypatch):
    """Rows of 17 positions are two parts; and then one."""
    import kbert.models.distillation as module

    rng = np.random.default_rng(0)
    x = {
        "input_ids": rng.integers(5, 40, (2, 17)).astype("int32"),
        "masked_lm_positions": np.array([[1], [2]], "int32"),
    }
    batch = (x, np.array([[7], [8]], "int32"), np.ones((2, 1), "float32"))
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    found = []
    for at_once in (16, 32):
        monkeypatch.setattr(module, "_POSITIONS_AT_ONCE", at_once)
        teacher = teacher_of(small, **rates)
        model = Distillation(
            kbert.keep_layers(teacher, 2), teacher, soft_targets="all", weights={"soft": 1}
        )
        model.compile("sgd", **objective(model))
        model.train_on_batch(*DistillationBatches([batch], model)[0])
        found.append([number(weight) for weight in model.student.weights])
    before = kbert.keep_layers(teacher, 2).get_weights()
    moved = [np.abs(one - old).max() for one, old in zip(found[0], before, strict=True)]
    assert sum(each > 1e-6 for each in moved) > 25
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_student_comes_nearer_and_the_teacher_stays(small, korean, tmp_path):
    teacher = teacher_of(small, korean)
    before = teacher.get_weights()
    model = compiled(Distillation(kbert.keep_layers(teacher, 2), teacher), steps=60)
    batches = batches_of(korean, model, 60, batch_size=8)
    held = [batches[i] for i in range(8)]
    first = mean_scores(model, held)
    assert not {id(each) for each in model.trainable_variables} & {id(w) for w in teacher.weights}
    model.fit(batches, shuffle=False, verbose=0)
    last = mean_scores(model, held)
    for name in ("soft_loss", "mlm_loss", "hidden_loss"):
        assert last[name] < 0.9 * first[name], name
    for one, two in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    model.student.save(tmp_path / "student.keras")
    again = kbert.load(tmp_path / "student.keras")
    assert again.count_params() == model.student.count_params() < teacher.count_params()
    x = held[0][0]
    np.testing.assert_allclose(number(again(x)), number(model.student(x)), atol=1e-6)
    with pytest.raises(KbertError, match=r"a Distillation is there to train: .* its student"):
        model.save(tmp_path / "whole.keras")


def test_a_run_that_goes_on_is_the_run_that_was_never_ended(small, korean, tmp_path):
    """With dropout, and with no weight of the teacher in the checkpoint."""

    def made():
        teacher = teacher_of(small, korean)
        return compiled(Distillation(kbert.keep_layers(teacher, 2), teacher), steps=4)

    whole, first, second = made(), made(), made()
    batches = batches_of(korean, whole, 4)
    whole.fit(Interval(batches, 0, 4), shuffle=False, verbose=0)
    first.fit(Interval(batches, 0, 2), shuffle=False, verbose=0)
    state = state_of(first)
    kept = {id(variable) for variable in state.values()}
    assert not kept & {id(variable) for variable in first.teacher.variables}
    save_checkpoint(tmp_path, 2, state, {})
    checkpoint, _ = find_checkpoint(tmp_path)
    restore(checkpoint, state_of(second))
    second.fit(Interval(batches, 2, 2), shuffle=False, verbose=0)
    for one, two in zip(whole.student.weights, second.student.weights, strict=True):
        np.testing.assert_array_equal(number(one), number(two))


def classifier(small, tokenizer, layers=3, task="sequence-classification", **changes):
    small = {**small, "num_hidden_layers": layers, "labels": LABELS, **changes}
    model = kbert.models.TASKS[task](**small)
    model.tokenizer = tokenizer
    return model


def test_a_task_is_learned_from_a_teachers_labels(small, tokenizer):
    """A narrower student; its labels are all wrong, and it goes by the teacher alone."""
    texts = ["국회 는 법률 을 의결 한다", "축구 경기 는 정말 재미있 다"] * 6
    right = [LABELS[i % 2] for i in range(12)]
    examples = Examples("sequence-classification", texts, labels=right, label_names=LABELS)
    wrong = Examples(
        "sequence-classification", texts, labels=right[1:] + right[:1], label_names=LABELS
    )
    teacher = classifier(small, tokenizer)
    batches = LabelledBatches(examples, teacher, batch_size=6, epochs=15)
    compiled(teacher, 3e-3, batches.steps).fit(batches, shuffle=False, verbose=0)
    assert kbert.evaluate(teacher, examples)["accuracy"] == 1

    student = classifier(small, tokenizer, 1, hidden_size=9, seed=8)
    model = Distillation(student, teacher, weights={"soft": 1})
    batches = DistillationBatches(LabelledBatches(wrong, student, batch_size=6, epochs=15), model)
    compiled(model, 3e-3, len(batches)).fit(batches, shuffle=False, verbose=0)
    assert kbert.evaluate(student, examples)["accuracy"] == 1


@pytest.mark.parametrize("task", ["sequence-classification", "token-classification"])
def test_the_terms_of_labels_by_numpy(task, small, inputs, tokenizer):
    del inputs["masked_lm_positions"]
    student, teacher = (classifier(small, tokenizer, n, task, seed=n) for n in (1, 2))
    model = compiled(Distillation(student, teacher, temperature=3.0))
    shape = (2,) if task == "sequence-classification" else (2, 7)
    y = np.arange(np.prod(shape)).reshape(shape).astype("int32") % 2
    weights = np.ones(shape, "float32")
    batch = DistillationBatches([(inputs, y, weights)], model)[0]
    logs = model.test_on_batch(*batch, return_dict=True)
    s, t = (number(each(inputs)).astype("float64") for each in (student, teacher))
    p, q = softmax(t / 3), softmax(s / 3)
    soft = 9 * (p * np.log(p / q)).sum(-1).mean()
    right = -np.log(np.take_along_axis(softmax(s), y[..., None], -1)).mean()
    assert float(logs["soft_loss"]) == pytest.approx(soft, rel=1e-4)
    assert float(logs["labels_loss"]) == pytest.approx(right, rel=1e-4)
    assert float(logs["loss"]) == pytest.approx((soft + right) / 2, rel=1e-4)
    accuracy = (s.argmax(-1) == y).mean()
    assert float(logs["labels_accuracy"]) == pytest.approx(accuracy)


def test_who_cannot_be_student_and_teacher(small, tokenizer):
    teacher = teacher_of(small)
    student = kbert.keep_layers(teacher, 1)
    for changes, message in (
        ({"vocab_size": 41}, "the teacher has a vocabulary of 41 and the student of 40"),
        ({"hidden_size": 9}, "student's vectors have 12 numbers and the teacher's 9.*keep_layers"),
        ({"hidden_size": 15}, "student's vectors have 12 numbers and the teacher's 15"),
    ):
        with pytest.raises(KbertError, match=message):
            Distillation(student, teacher_of(small, **changes))
    Distillation(student, teacher_of(small, hidden_size=15), weights={"soft": 5, "mlm": 2})
    with pytest.raises(KbertError, match="student and teacher are one model"):
        Distillation(teacher, teacher)
    with pytest.raises(KbertError, match=r"the teacher is a model for .* not a BertForPreTraining"):
        Distillation(student, kbert.BertForPreTraining(**small))
    with pytest.raises(KbertError, match="student is for masked-lm and the teacher for sequence"):
        Distillation(student, classifier(small, None))

    teacher.tokenizer = tokenizer
    with pytest.raises(KbertError, match=r"student has no tokenizer, .*: student.tokenizer = t"):
        Distillation(student, teacher)
    student.tokenizer = tokenizer
    teacher.tokenizer = kbert.Tokenizer([*tokenizer.vocabulary[:-1], "는다는"])
    with pytest.raises(KbertError, match="student and the teacher have other vocabularies"):
        Distillation(student, teacher)
    teacher.tokenizer = kbert.Tokenizer(tokenizer.vocabulary, lowercase=True)
    with pytest.raises(KbertError, match="cut texts otherwise: lowercase is False and True"):
        Distillation(student, teacher)

    other = classifier(small, None)
    other.name_labels(["법", "야구"])
    with pytest.raises(KbertError, match=r"load the student with labels=teacher.labels"):
        Distillation(classifier(small, None, 1), other)
    other = classifier(small, None, problem_type="multi_label_classification")
    with pytest.raises(KbertError, match="problem_type of the teacher is 'multi"):
        Distillation(classifier(small, None, 1), other)


def test_a_teacher_of_whole_numbers(small, masked):
    """It is never trained, so it may be quantized; its student may not."""
    teacher = kbert.quantize(teacher_of(small), "int8")
    student = kbert.keep_layers(teacher_of(small), 1)
    model = compiled(Distillation(student, teacher))
    before = student.get_weights()[0]
    model.train_on_batch(*DistillationBatches([masked], model)[0])
    assert np.abs(student.get_weights()[0] - before).max() > 0
    model = compiled(Distillation(kbert.keep_layers(teacher, 1), teacher_of(small)))
    with pytest.raises(KbertError, match="the encoder's weights are int8, which are not trained"):
        model.train_on_batch(*DistillationBatches([masked], model)[0])


def test_batches_of_the_student_alone(small, masked):
    """The likeliest slip: they are not wrapped."""
    teacher = teacher_of(small)
    model = compiled(Distillation(kbert.keep_layers(teacher, 1), teacher))
    with pytest.raises(KbertError, match=r"labels are a dict with 'soft', 'mlm', 'hidden', and .*"):
        model.train_on_batch(*masked)
    both = {"mlm": masked[1], "nsp": np.array([0, 1])}
    with pytest.raises(KbertError, match=r"these are a dict with 'mlm', 'nsp': .*Distillation"):
        model.train_on_batch(masked[0], both)
    alone = compiled(kbert.BertForMaskedLM(**small))
    with pytest.raises(KbertError, match=r"one array, and these are a dict with 'mlm', 'nsp'"):
        alone.train_on_batch(masked[0], both)


def test_settings_that_cannot_be(small, inputs):
    teacher = teacher_of(small)
    student = kbert.keep_layers(teacher, 1)
    for settings, message in (
        ({"temperature": 0}, "temperature is a number from 0.01 to 100, not 0"),
        ({"temperature": 1e-30}, "temperature is a number from 0.01 to 100, not 1e-30"),
        ({"temperature": "2"}, "temperature is a number from 0.01 to 100, not '2'"),
        ({"soft_targets": "none"}, "soft_targets is one of masked, all"),
        ({"weights": {"labels": 1}}, "weights are of soft, mlm, hidden, relations"),
        ({"weights": {"mlm": 1}}, "count nothing that is the teacher's"),
        ({"weights": {"soft": -1}}, "the weight of soft"),
    ):
        with pytest.raises(KbertError, match=message):
            Distillation(student, teacher, **settings)
    for other, message in (
        (teacher_of(small, num_attention_heads=2), "has 3 heads and the teacher's 2"),
        (teacher_of(small, attention_window=4), "see the whole row of text, and the teacher's"),
    ):
        with pytest.raises(KbertError, match=message):
            Distillation(student, other, weights={"relations": 1})
    model = Distillation(student, teacher)
    with pytest.raises(KbertError, match="takes a dict with masked_lm_positions"):
        model(inputs["input_ids"])
    of_two_heads = (inputs, {"mlm": 0, "nsp": 0}, {})
    with pytest.raises(KbertError, match="these batches are for mlm, nsp"):
        DistillationBatches([of_two_heads], model)[0]
    with pytest.raises(KbertError, match=r"is the kbert.Distillation.* not a BertForMaskedLM"):
        DistillationBatches([of_two_heads], student)
    with pytest.raises(KbertError, match=r"batches are PretrainingBatches.* not None"):
        DistillationBatches(None, model)
