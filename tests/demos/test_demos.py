"""The demos, asked as a program asks them: over HTTP, with Gradio's own client."""

import http.client
import importlib
import os
import re
import socket
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio")
pytest.importorskip("gradio_client")

from gradio_client.exceptions import AppError

import kbert
from kbert.pretrained import bundled_model
from tests.demos.conftest import DEMOS, SCRIPTS, WORDS, bars, charts, served, tags

# Not ours: Gradio leaves a socket that found its port taken to the garbage collector, which may
# come in a later test.
pytestmark = [
    pytest.mark.once,  # the pipelines are tested on every backend
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:Warning"),
]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
DRAWN = {"section", "ol", "li", "b", "span", "i", "em", "small", "p", "h3", "code", "div", "mark"}


def refusal(client, *arguments, api_name: str) -> str:
    """The message of a demo that refuses: words for its reader, and nothing of Python's."""
    with pytest.raises(AppError) as refused:
        client.predict(*arguments, api_name=api_name)
    assert "Traceback" not in refused.value.message
    assert "Error" not in refused.value.message
    assert refused.value.title in ("알림", "Notice")
    return refused.value.message


def test_fill_mask_answers_as_the_pipeline_does(model_file):
    with served("fill_mask", model_file) as client:
        for glued in ("continuation", "word"):
            text = "[MASK]은 법률 앞에 평등하다."
            html = client.predict(text, "token", False, glued, api_name="/fill_mask")
            expected = kbert.FillMask(kbert.load(model_file), glued_to_mask=glued)(text)
            assert charts(html)["빈칸에 올 말"] == [
                (
                    answer["token_str"],
                    f"{100 * answer['score']:.1f}%",
                    f"{answer['token_str'].removeprefix('##')}은 법률 앞에 평등하다.",
                )
                for answer in expected
            ]
            looked_at = {word for word, _, _ in charts(html)["이 빈칸이 본 말"]}
            assert looked_at == {"법률", "앞에", "평등하다."}


def test_what_a_blank_looked_at_is_its_own_row_of_attention(model_file):
    model = kbert.load(model_file)
    fill = importlib.import_module("fill_mask").Filler(model)
    text = "[MASK] 앞에 [MASK]"
    # [CLS] [MASK] 앞에 [MASK] [SEP]: special tokens and the blank itself are left out.
    weights = kbert.explain.attention(model, text).weights.mean(axis=(0, 1))  # (5, 5)
    first, second = fill(text).looked_at
    assert dict(first) == pytest.approx({"앞에": weights[1, 2], "[MASK]": weights[1, 3]})
    assert dict(second) == pytest.approx({"앞에": weights[3, 2], "[MASK]": weights[3, 1]})


def test_each_reading_of_what_is_glued_to_a_mask_gives_its_own_answers(model_file):
    with served("fill_mask", model_file) as client:
        text, name = "[MASK]은 법률", "/fill_mask"
        continuation = client.predict(text, "token", False, "continuation", api_name=name)
        assert continuation == client.predict(text, api_name=name), "continuation is the default"
        assert continuation != client.predict(text, "token", False, "word", api_name=name)


def test_whole_words_and_their_particles(model_file):
    fill_mask = kbert.FillMask(kbert.load(model_file))
    with served("fill_mask", model_file) as client:
        for agree in (False, True):
            text = "법률 [MASK]은 앞에."
            html = client.predict(text, "eojeol", agree, api_name="/fill_mask")
            expected = fill_mask(text, unit="eojeol", agree=agree)
            rows = charts(html)["빈칸에 올 말"]
            assert rows == [  # no percentages: they would sum to any number
                (answer["token_str"], "", answer["sequence"]) for answer in expected
            ]
            assert any("는 앞에" in line for _, _, line in rows) == agree
        glued = "어절은 띄어 쓴 빈칸에만 채웁니다. [MASK] 앞을 띄우거나 토큰으로 채워 주세요."
        for text in ("대[MASK]은", "[MASK][MASK]", "국민 3[MASK]"):
            assert refusal(client, text, "eojeol", True, api_name="/fill_mask") == glued


def test_several_blanks_each_and_together(model_file):
    text = "[MASK] 앞에 [MASK] 평등하다."
    fill_mask = kbert.FillMask(kbert.load(model_file), glued_to_mask="continuation")
    with served("fill_mask", model_file) as client:
        html = client.predict(text, api_name="/fill_mask")
    found = charts(html)
    for number, expected in enumerate(fill_mask(text), 1):
        shown = [name for name, _, _ in found[f"빈칸 {number}"]]
        assert shown == [answer["token_str"] for answer in expected]
    drawn = re.findall(r'width:([\d.]+)%"></i></span><em>([\d.]+)%</em>', html)
    assert len(drawn) > 10 and all(width == percent for width, percent in drawn), "one scale"
    assert found["빈칸을 함께 채우면"] == [
        (" · ".join(each["token_strs"]), f"{100 * each['score']:.1f}%", each["sequence"])
        for each in fill_mask.together(text, top_k=3)
    ]


def test_fill_mask_says_what_is_wrong_with_a_text(model_file):
    too_long = "이 모델이 읽기에는 너무 긴 글입니다. 12토큰 이내로 줄여 주세요."
    with served("fill_mask", model_file) as client:
        for text in ("국민은 법률 앞에 평등하다.", "", None, "[mask]", HOSTILE):
            message = refusal(client, text, "token", False, "word", api_name="/fill_mask")
            assert message == "글에 빈칸이 없습니다. 알아맞힐 자리에 [MASK]라고 적어 주세요."
        for text, said in (
            ("[MASK] " * 9, "빈칸이 9개로 너무 많습니다. 8개 이하로 줄여 주세요."),
            # 12 positions: [CLS], eleven tokens and [SEP] do not fit.
            ("[MASK]" + " 국민" * 10, too_long),
            ("[MASK]" + "은" * 995, "글이 1,001자로 너무 깁니다. 1,000자 이하로 줄여 주세요."),
        ):
            assert refusal(client, text, api_name="/fill_mask") == said
        english = refusal(client, "[MASK]" + "은" * 995, api_name="/fill_mask_en")
        assert english == "The text has 1,001 characters, which is too long: 1,000 at most."


def test_next_sentence_answers_as_the_pipeline_does(model_file):
    next_sentence = kbert.NextSentence(kbert.load(model_file))
    with served("next_sentence", model_file) as client:
        for pair in (("국민은 국회", "법률 앞에 평등하다."), ("법률 " * 200, "<img src=x> 국가")):
            rows = bars(client.predict(*pair, api_name="/next_sentence"))
            expected = next_sentence(*pair)
            named = (("이어짐", "next"), ("이어지지 않음", "random"))
            assert rows == [(said, f"{100 * expected[key]:.1f}%", "") for said, key in named]
        lines = ["법률", "국회 앞에", "국민의 국가", "평등하다."]
        rows = bars(client.predict("국민은", "\n\n".join(lines), api_name="/next_sentence"))
        ranked = next_sentence.rank("국민은", lines)
        assert rows == [(each["text"], f"{100 * each['next']:.1f}%", "") for each in ranked]
        for pair in (("국민", " \n"), ("", "국민"), (None, "국민")):
            message = refusal(client, *pair, api_name="/next_sentence")
            assert message == "비어 있는 글이 있습니다. 두 글을 모두 적어 주세요."
        message = refusal(client, "국민", "국\n" * 11, api_name="/next_sentence")
        assert message == "11줄은 너무 많습니다. 10줄 이하로 줄여 주세요."


def test_examples_are_those_that_the_model_answers_well(model_file):
    fill_mask = importlib.import_module("fill_mask")
    knows = {text: wanted[0] for text, wanted in fill_mask.CANDIDATES[5:9]}

    def fill(text):
        ranked = ["엉뚱", knows[text]] if text in knows else ["엉뚱"]
        return fill_mask.Filled([[{"token_str": word} for word in ranked]], [], [], [])

    assert fill_mask.good_examples(fill) == [text for text, _ in fill_mask.CANDIDATES[5:9]]

    next_sentence = importlib.import_module("next_sentence")
    first, follows, other = next_sentence.CANDIDATES[3]

    class Judge:
        def rank(self, text, candidates):
            return [{"text": c, "next": 0.9 if c == follows else 0.2} for c in candidates]

    assert next_sentence.good_examples(Judge(), 1) == [[first, f"{other}\n{follows}"]]


def test_attention_is_the_page_of_explain_in_a_frame_that_can_do_nothing(model_file):
    model = kbert.load(model_file)
    with served("attention", model_file) as client:
        html = client.predict("국민은 [MASK]", "법률", api_name="/attention")
        assert tags(html) == {"iframe"} and 'sandbox="allow-scripts"' in html
        within = unescape(html.partition('srcdoc="')[2].partition('"></iframe>')[0])
        expected = kbert.explain.attention(model, "국민은 [MASK]", "법률").html("ko")
        begin, end = expected.index("<meta charset"), len(expected)
        assert within[within.index("<meta charset") :].startswith(expected[begin:end])
        assert "default-src 'none'" in within[: within.index("<meta charset")]
        hostile = client.predict("<b>국민</b>", "", api_name="/attention")
        assert tags(hostile) == {"iframe"} and "&amp;lt;b" in hostile
        said = "이 모델이 읽기에는 너무 긴 글입니다. 12토큰 이내로 줄여 주세요."
        assert refusal(client, "국민 " * 11, "", api_name="/attention") == said
        said = "글이 비어 있습니다. 글을 적어 주세요."
        assert refusal(client, " ", "", api_name="/attention") == said


def test_the_neuron_view_takes_a_token_by_its_place(model_file):
    model = kbert.load(model_file)
    with served("neurons", model_file) as client:
        html, choices = client.predict("국민은 법률", "2 ##은", 0, 1, api_name="/neurons")
        there = ["0 [CLS]", "1 국민", "2 ##은", "3 법률", "4 [SEP]"]
        assert [value for value, _ in choices["choices"]] == there and choices["value"] == "2 ##은"
        expected = kbert.explain.neuron_view(model, "국민은 법률", 0, 1, 2).html("ko")
        body = expected[expected.index("<h2>") :]
        assert body in unescape(html.partition('srcdoc="')[2])
        # A token of another text stands for none of this one's.
        _, choices = client.predict("국민은 [MASK]", "7 국회", 0, 1, api_name="/neurons")
        assert choices["value"] == "3 [MASK]"
        sorry = "요청을 처리하지 못했습니다. 입력한 것을 확인하고 다시 해 보세요."
        assert refusal(client, "국민", "1 국민", 99, 0, api_name="/neurons") == sorry


def test_the_neuron_view_begins_with_a_head_that_looks_at_several_words(model_file):
    model, text = kbert.load(model_file), "국민은 [MASK] 법률"
    heads = kbert.explain.attention(model, text).weights[0, :, 3]  # (2, 6) of [MASK]
    others = [head[[1, 2, 4]] for head in heads]  # without [CLS], itself and [SEP]
    several = [float(each.sum() - each.max()) for each in others]
    found = importlib.import_module("neurons").head_of_interest(model, text, 3)
    assert found == (0, several.index(max(several)))


def test_word_vectors_are_the_pages_of_explain(model_file):
    model = kbert.load(model_file)
    lines = ["국민은 법률", "국가의 국민은", "<b>국민"]
    with served("contexts", model_file) as client:
        for layer in (0, 1):
            arguments = ("국민", "\n".join(lines), layer)
            html = client.predict(*arguments, api_name="/contextual")
            expected = kbert.explain.contextual(model, "국민", lines, layer).html("ko")
            assert tags(html) == {"iframe"}
            assert expected[expected.index("<h2>") :] in unescape(html.partition('srcdoc="')[2])
        html = client.predict("국민은 법률", api_name="/layers")
        expected = kbert.explain.layers(model, "국민은 법률").html("ko")
        assert expected[expected.index("<h2>") :] in unescape(html.partition('srcdoc="')[2])
        for arguments, said in (
            (("국민", "국민은\n국회의"), "2번째 문장에 그 낱말이 없습니다."),
            (
                ("국민", " 국민은\n\n"),
                "견주려면 문장이 둘 이상 있어야 합니다. 한 줄에 하나씩 적어 주세요.",
            ),
            (("", "국민은\n국민의"), "글이 비어 있습니다. 글을 적어 주세요."),
            (("국민", "국민\n" * 11), "11줄은 너무 많습니다. 10줄 이하로 줄여 주세요."),
            (
                ("국민", f"국민\n{'국민 ' * 11}"),
                "이 모델이 읽기에는 너무 긴 글입니다. 12토큰 이내로 줄여 주세요.",
            ),
        ):
            assert refusal(client, *arguments, 1, api_name="/contextual") == said


def test_reasons_are_of_the_answer_that_is_shown(model_file, fine_tuned_files):
    model, text = kbert.load(model_file), "[MASK]은 법률 앞에"
    with served("fill_mask", model_file) as client:
        html = client.predict(text, api_name="/fill_mask_reasons")
        assert tags(html) == {"iframe"}
        options = {"glued_to_mask": "continuation", "most_steps": 64}
        why = kbert.explain.attributions(model, text, **options)
        best = kbert.FillMask(model, glued_to_mask="continuation")(text)[0]
        assert why.target == best["token_str"]
        # The numbers, to what rounding leaves of them.
        assert f"<b>{why.target}</b>" in unescape(html) and f"{why.logit:.2f}" in html
        said = "글에 빈칸이 없습니다. 알아맞힐 자리에 [MASK]라고 적어 주세요."
        assert refusal(client, "국민은", api_name="/fill_mask_reasons") == said
        said = "글이 201자로 너무 깁니다. 200자 이하로 줄여 주세요."
        assert refusal(client, "[MASK]" + "은" * 195, api_name="/fill_mask_reasons") == said
    with served("fine_tuned", fine_tuned_files[0]) as client:
        html = client.predict("국민은 법률", "", api_name="/classify_reasons")
        label = kbert.TextClassifier(kbert.load(fine_tuned_files[0]))("국민은 법률")["label"]
        assert f"<b>{label}</b>" in unescape(unescape(html))


def test_tokens_in_two_vocabularies(model_file):
    tokens = importlib.import_module("tokens")
    tokenizer = kbert.Tokenizer(WORDS)
    assert tokens.pieces(tokenizer, "국민은 축구의 법률") == (["국민", "##은", "[UNK]", "법률"], 1)
    letters = tokens.letters_of(tokenizer)
    assert set(letters.vocabulary) - set(WORDS[:5]) == {*"은는의.", "##은", "##는", "##의"}
    assert tokens.pieces(letters, "은의 국민") == (["은", "##의", "[UNK]"], 1)
    with served("tokens", model_file) as client:
        arguments = ("국민은 법률", "국가", "token", 4)
        cut, masked, added = client.predict(*arguments, api_name="/tokens")
        assert "토큰 3개 · 어휘 18개 · 모르는 말 0개" in cut and "글자만 든 어휘" in cut
        assert tags(cut) <= DRAWN
        within = unescape(masked.partition('srcdoc="')[2])
        expected = kbert.explain.masking(tokenizer, "국민은 법률", 4).html("ko")
        assert expected[expected.index("<h2>") :] in within
        model = kbert.load(model_file)
        expected = kbert.explain.input_rows(model, "국민은 법률", "국가").html("ko")
        assert expected[expected.index("<h2>") :] in unescape(added.partition('srcdoc="')[2])


def test_similarity_and_search_order_by_cosine(model_file):
    sentences = importlib.import_module("sentences")
    at = {"동쪽": [1, 0], "북동쪽": [1, 1], "북쪽": [0, 2], "서쪽": [-3, 0]}

    def vectors(texts):
        return sentences.unit(np.array([at[text] for text in texts], float))

    asked = dict(sentences.QUERIES[2:4])
    rows = sentences.rows_of(sentences.FAQ)

    def knows_two(texts):  # and takes all others for the first question
        place = {question: i for i, (question, _) in enumerate(rows)} | asked
        return np.eye(len(rows))[[place.get(text, 0) for text in texts]]

    assert sentences.good_queries(knows_two) == [[text] for text in asked]
    found = sentences.nearest(vectors, "동쪽", ["서쪽", "북쪽", "북동쪽", "동쪽"])
    assert [place for place, _ in found] == [3, 2, 1, 0]
    assert [cosine for _, cosine in found] == pytest.approx([1, 0.5**0.5, 0, -1])
    with served("sentences", model_file) as client:
        html = client.predict("국민은", "법률\n국민은", api_name="/similarity")
        assert "여러 문장의 평균 벡터를 뺀 뒤에 쟀습니다" in html
        rows = bars(html)
        assert rows[0] == ("국민은", "1.00", "") and rows[1][0] == "법률"
        table = f'국회의 법률,"쉼표, 따옴표"\n국민은,{HOSTILE}'
        html = client.predict("국민은", table, api_name="/search")
        assert tags(html) <= DRAWN and bars(html)[0] == ("국민은", "1.00", HOSTILE)
        assert bars(html)[1][0::2] == ("국회의 법률", "쉼표, 따옴표")
        said = "CSV를 읽지 못했습니다. 한 줄에 ‘질문,답’을 하나씩 적어 주세요."
        for table in ("", '"국민', " , "):
            assert refusal(client, "국민", table, api_name="/search") == said
        said = "101줄은 너무 많습니다. 100줄 이하로 줄여 주세요."
        assert refusal(client, "국민", "법률,국회\n" * 101, api_name="/search") == said


@pytest.fixture(scope="module")
def fine_tuned_files(tmp_path_factory) -> list[Path]:
    """A classifier, a tagger and a reader, all with random weights."""
    sizes = {
        "vocab_size": len(WORDS),
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 32,
        "initializer_range": 0.5,
        "seed": 1,
    }
    made = (
        kbert.BertForSequenceClassification(labels=["<b>부정</b>", "긍정"], **sizes),
        kbert.BertForTokenClassification(labels=["B-PS", "I-PS", "B-LC", "I-LC", "O"], **sizes),
        kbert.BertForQuestionAnswering(**sizes),
    )
    folder, paths = tmp_path_factory.mktemp("fine-tuned"), []
    for model in made:
        model.tokenizer = kbert.Tokenizer(WORDS)
        paths.append(folder / f"{model.name}.keras")
        model.save(paths[-1])
    return paths


def test_fine_tuned_models_answer_each_in_its_tab(model_file, fine_tuned_files):
    classifier, tagger, reader = map(kbert.load, fine_tuned_files)
    with served("fine_tuned", model_file, *fine_tuned_files) as client:
        html = client.predict("국민은 법률", "", api_name="/classify")
        expected = kbert.TextClassifier(classifier)("국민은 법률")["scores"]
        shown = [(name, f"{100 * each:.1f}%", "") for name, each in expected.items()]
        assert tags(html) <= DRAWN and bars(html) == shown

        text = "국민은 <b>법률</b> 앞에"
        html = client.predict(text, api_name="/tag")
        found = kbert.TokenClassifier(tagger)(text)
        named = {"PS": "사람", "LC": "장소"}
        for each in found:
            assert f"{named[each['label']]}</small></mark>" in html
        assert html.count("<mark") == len(found) > 0 and "<b>" not in html

        context = "국민은 법률 앞에 평등하다."
        html = client.predict("국회의 법률", context, api_name="/answer")
        best = kbert.QuestionAnswering(reader)("국회의 법률", context, top_k=3)
        assert [name for name, _, _ in bars(html)] == [each["answer"] for each in best]
        assert f'<mark class="kind0">{best[0]["answer"]}</mark>' in html


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_page_serves_this_machine_and_keeps_nothing(script, model_file):
    with served(script, model_file) as client:
        assert client.src.startswith("http://127.0.0.1:")
        names = {
            "fill_mask": {"/fill_mask", "/fill_mask_reasons"},
            "contexts": {"/contextual", "/layers"},
            "sentences": {"/similarity", "/search"},
            "fine_tuned": set(),  # a model that was only pretrained has no head for it
        }.get(script, {f"/{script}"})
        both = names | {f"{name}_en" for name in names}
        assert set(client.view_api(return_format="dict")["named_endpoints"]) == both
        assert client.config["show_error"] is False
        assert client.config["run_history"] is False
        components = [each["type"] for each in client.config["components"]]
        assert not {"file", "uploadbutton", "chatbot"} & set(components)
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


@pytest.mark.parametrize("script", ("fill_mask", "next_sentence"))
def test_a_tab_says_which_model_it_lacks(script, tmp_path):
    classifier = kbert.BertForSequenceClassification(
        labels=["부정", "긍정"], vocab_size=len(WORDS), **kbert.SIZES["tiny"]
    )
    classifier.tokenizer = kbert.Tokenizer(WORDS)
    classifier.save(tmp_path / "classifier.keras")
    with served(script, tmp_path / "classifier.keras") as client:
        told = " ".join(str(each["props"].get("value")) for each in client.config["components"])
    assert "<code>--model</code>로 주면 이 탭이 열립니다." in told


def status_of(port: int, method: str, path: str, body: bytes | str = "{}", **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body=body, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_only_the_page_itself_is_answered(model_file):
    with served("next_sentence", model_file) as client:
        port = int(client.src.rstrip("/").rpartition(":")[2])
        for host, origin, answered in (
            (f"127.0.0.1:{port}", None, True),
            (f"localhost:{port}", f"http://localhost:{port}", True),
            (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}", True),
            (f"evil.example:{port}", None, False),  # a name that was given this machine's address
            (f"evil.example:{port}", f"http://evil.example:{port}", False),
            ("127.0.0.1.evil.example", None, False),
            ("[::1", None, False),
            (f"127.0.0.1:{port}", "http://evil.example", False),
            (f"127.0.0.1:{port}", "http://127.0.0.1:1", False),  # another page of this machine
            (f"127.0.0.1:{port}", "null", False),
        ):
            headers = {"Host": host, "Content-Type": "application/json"}
            headers |= {"Origin": origin} if origin else {}
            for method, path in (
                ("GET", "/"),
                ("GET", "/en"),
                ("GET", "/config"),
                ("POST", "/gradio_api/queue/join"),
            ):
                status = status_of(port, method, path, **headers)
                assert (status != 403) == answered, (host, origin, path)


def test_doors_that_no_page_needs_are_shut_and_bodies_are_bounded(model_file):
    with served("next_sentence", model_file) as client:
        port = int(client.src.rstrip("/").rpartition(":")[2])
        for method, path in (
            ("POST", "/gradio_api/upload"),
            ("GET", "/gradio_api/file=/etc/passwd"),
            ("GET", "/gradio_api/proxy=http://example.com"),
            ("POST", "/gradio_api/run/next_sentence"),
            ("POST", "/gradio_api/component_server"),
            ("GET", "/gradio_api/deep_link"),
            ("GET", "/gradio_api/runs"),
            ("GET", "/monitoring"),
        ):
            assert status_of(port, method, path) == 404, path
        join, kind = "/gradio_api/queue/join", {"Content-Type": "application/json"}
        assert status_of(port, "POST", join, b" " * 200_001, **kind) == 413
        assert status_of(port, "POST", join, b" " * 200_000, **kind) == 422  # no JSON, but read
        for body in ('{"data": [], "fn_index": 99, "session_hash": "x"}', "[]", "{", '{"data": 1}'):
            assert 400 <= status_of(port, "POST", join, body, **kind) < 500, body


def test_what_is_no_request_of_a_page_gets_a_sentence(model_file, capsys):
    sorry = "요청을 처리하지 못했습니다. 입력한 것을 확인하고 다시 해 보세요."
    with served("fill_mask", model_file) as client:
        for arguments in (
            ("[MASK] 비밀", "<b>unit</b>", False, "word"),
            ("[MASK] 비밀", "token", False, 17),
        ):
            assert refusal(client, *arguments, api_name="/fill_mask") == sorry
        assert "비밀" in client.predict("[MASK] 비밀", api_name="/fill_mask")
    assert importlib.import_module("serve").read("\0[MASK]\ud800 국민", "ko") == "[MASK]? 국민"
    said = capsys.readouterr()
    assert "비밀" not in said.out + said.err, "a log keeps nothing of what a visitor wrote"


def test_hostile_text_comes_back_as_text(model_file):
    with served("fill_mask", model_file) as client:
        html = client.predict(f"[MASK] {HOSTILE[:9]}", api_name="/fill_mask")
        assert tags(html) <= DRAWN and bars(html)[0][2].endswith(HOSTILE[:9])


def test_a_message_is_headed_in_korean():
    serve = importlib.import_module("serve")
    with pytest.raises(serve.gr.Error) as refused:
        serve.refuse("empty_text", "ko")
    said = ("알림", "글이 비어 있습니다. 글을 적어 주세요.")
    assert (refused.value.title, refused.value.message) == said


def test_every_text_is_there_in_both_languages():
    texts = importlib.import_module("texts").TEXTS
    for key, (korean, english) in texts.items():
        assert any("가" <= letter <= "힣" for letter in korean) or key == "other_language"
        fields = [sorted(part for part in text.split("{")[1:]) for text in (korean, english)]
        assert len(fields[0]) == len(fields[1]), key
    sources = "".join(
        path.read_text(encoding="utf-8") for path in DEMOS.glob("*.py") if path.stem != "texts"
    )
    made = re.compile(r"(unit|glued|mask|entity|no)_|(classify|tag|answer)_button$")  # of parts
    unused = [key for key in texts if not re.search(f"['\"]{key}['\"]", sources)]
    unused = [key for key in unused if not made.match(key)]
    assert unused == []


def test_the_newest_quickstart_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = importlib.import_module("models")
    monkeypatch.setattr(models, "BUNDLED", "no such model")
    for seconds, name in (
        (30, "quickstart"),
        (50, "quickstart-2"),
        (40, "quickstart-3"),
        (60, "x"),
    ):
        path = Path("runs", name, "model.keras")
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (seconds, seconds))
    assert models.find_model() == Path("runs/quickstart-2/model.keras")


def test_the_bundled_model_comes_first(monkeypatch):
    models = importlib.import_module("models")
    there = {"kbert-mini-ko": Path("kbert-mini-ko.keras")}
    monkeypatch.setattr(models, "bundled_model", there.get)
    assert models.find_model() == "kbert-mini-ko"


@pytest.mark.parametrize("script", ["app", *SCRIPTS])
def test_the_command_line_reaches_the_page(script, model_file, monkeypatch, capsys):
    serve = importlib.import_module("serve")
    served_on = []
    monkeypatch.setattr(serve, "launch", lambda page, port: served_on.append((page.title, port)))
    monkeypatch.setattr(sys, "argv", ["x.py", "--model", str(model_file), "--port", "7999"])
    module = importlib.import_module(script)
    tabs = module.TABS if script == "app" else [(script, module.build)]
    serve.main("A demo.", tabs)
    title = serve.say("page_title" if script == "app" else script, "ko")
    assert served_on == [(f"{title} · kbert", 7999)]
    assert "parameters" in capsys.readouterr().out


def test_a_port_that_is_taken_is_named(model_file):
    serve, models = importlib.import_module("serve"), importlib.import_module("models")
    tabs = [("next_sentence", importlib.import_module("next_sentence").build)]
    page = serve.build_page(tabs, models.Models([kbert.load(model_file)]))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(kbert.KbertError, match=f"on port {port}.*--port"):
            serve.launch(page, port, wait=False)


def run(script: str, folder: Path, before: str = "") -> subprocess.CompletedProcess:
    """Runs a script as a user does, in a folder, `before` being run first in its process."""
    code = f"{before}; import sys, runpy; sys.path.insert(0, {str(DEMOS)!r}); sys.argv = ['demo']; "
    code += f"runpy.run_path({str(DEMOS / script)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code] if before else [sys.executable, DEMOS / script]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=300)


def test_without_a_model_the_error_says_how_to_get_one(tmp_path):
    if bundled_model("kbert-mini-ko") is not None:
        pytest.skip("a model comes with kbert")
    result = run("app.py", tmp_path)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.strip().splitlines()[-1] == (
        "error: there is no runs/quickstart*/model.keras here: run `make quickstart` or "
        "`python recipes/pretrain_ko.py`, or pass --model PATH"
    )
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_model_is_refused_in_a_line(tmp_path, monkeypatch):
    file = tmp_path / "model.keras"
    file.write_bytes(b"no model")
    monkeypatch.setattr(sys, "argv", ["x.py", "--model", str(file)])
    with pytest.raises(SystemExit) as refused:
        importlib.import_module("serve").main("A demo.", [])
    assert str(refused.value.code).startswith(f"error: {file}")


def test_without_gradio_the_error_says_what_to_install(tmp_path):
    result = run("fill_mask.py", tmp_path, before="import sys; sys.modules['gradio'] = None")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last == 'error: the demos need Gradio: `pip install -e ".[demo]"` in a clone of kbert'
    assert "Traceback" not in result.stderr
