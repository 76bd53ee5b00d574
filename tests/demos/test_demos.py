"""The demos, asked as a program asks them: over HTTP, with Gradio's own client."""

import asyncio
import http.client
import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("gradio")
pytest.importorskip("gradio_client")

from gradio_client import Client
from gradio_client.exceptions import AppError

import kbert

# Not ours: Gradio leaves a socket that found its port taken to the garbage collector, which may
# come in a later test, and its statistics set an option that pandas 3 deprecates.
pytestmark = [
    pytest.mark.once,  # the pipelines are tested on every backend
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:Warning"),
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting'"),
]

DEMOS = Path(__file__).parents[2] / "demos"
SCRIPTS = ("fill_mask", "next_sentence")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "국민", "국회", "국가", "은", "는", "의"]
WORDS += ["##은", "##는", "##의", "법률", "앞에", "평등하다", "."]


@pytest.fixture(autouse=True)
def demos_on_path(monkeypatch):
    """As `python demos/fill_mask.py` has it; and no other test sees a module named `app`."""
    monkeypatch.syspath_prepend(DEMOS)
    yield
    for name in ("app", *SCRIPTS):
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def loops_closed(monkeypatch):
    """Closes the event loops that Gradio's `safe_get_lock` and `safe_get_stop_event` leave open.

    Else each warns of itself whenever it is collected, which may be in another file's test.
    """
    loops, new_event_loop = [], asyncio.new_event_loop

    def remember():
        loops.append(new_event_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", remember)
    yield
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()


@pytest.fixture(scope="module")
def model_file(tmp_path_factory) -> Path:
    model = kbert.BertForPreTraining(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
        initializer_range=0.5,  # large, so that the answers' probabilities lie far apart
        seed=3,
    )
    model.tokenizer = kbert.Tokenizer(WORDS)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    return path


def free_port() -> int:
    """A port of our own: Gradio's search would meet that of a suite on another backend."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def served(script: str, model_file: Path) -> Iterator[Client]:
    page = importlib.import_module(script).build(kbert.load(model_file))
    try:
        address = importlib.import_module("app").launch(page, free_port(), wait=False)
        yield Client(address, verbose=False)
    finally:
        page.close()


def refusal(client: Client, *arguments) -> str:
    """The message of a demo that refuses: words for its reader, and nothing of Python's."""
    with pytest.raises(AppError) as refused:
        client.predict(*arguments)
    assert "Traceback" not in refused.value.message
    assert "Error" not in refused.value.message
    return refused.value.message


def test_fill_mask_answers_as_the_pipeline_does(model_file):
    with served("fill_mask", model_file) as client:
        for glued in ("continuation", "word"):
            text = "[MASK]은 법률 앞에 평등하다."
            table = client.predict(text, "token", False, glued, api_name="/fill_mask")
            expected = kbert.FillMask(kbert.load(model_file), glued_to_mask=glued)(text)
            assert table["headers"] == ["빈칸", "순위", "낱말", "확률 (%)", "채운 문장"]
            assert [row[:3] for row in table["data"]] == [
                [1, rank, answer["token_str"]] for rank, answer in enumerate(expected, 1)
            ]
            assert [row[4] for row in table["data"]] == [
                f"{answer['token_str'].removeprefix('##')}은 법률 앞에 평등하다."
                for answer in expected
            ]
            percents = [row[3] for row in table["data"]]
            assert percents == [round(100 * answer["score"], 2) for answer in expected]
            assert percents == sorted(percents, reverse=True)
            assert len(percents) == 5 and 0 < sum(percents) <= 100


def test_each_reading_of_what_is_glued_to_a_mask_gives_its_own_answers(model_file):
    with served("fill_mask", model_file) as client:
        text = "[MASK]은 법률"
        continuation = client.predict(text, "token", False, "continuation")["data"]
        assert continuation == client.predict(text)["data"], "continuation is the default"
        assert continuation != client.predict(text, "token", False, "word")["data"]


def test_whole_words_and_their_particles(model_file):
    fill_mask = kbert.FillMask(kbert.load(model_file))
    with served("fill_mask", model_file) as client:
        for agree in (False, True):
            text = "법률 [MASK]은 앞에."
            rows = client.predict(text, "eojeol", agree)["data"]
            expected = fill_mask(text, unit="eojeol", agree=agree)
            assert [row[2:] for row in rows] == [  # no percentages: they would sum to any number
                [answer["token_str"], "", answer["sequence"]] for answer in expected
            ]
            assert any("는 앞에" in row[4] for row in rows) == agree
        glued = "어절은 띄어 쓴 빈칸에만 채웁니다. [MASK] 앞을 띄우거나 토큰으로 채워 주세요."
        for text in ("대[MASK]은", "[MASK][MASK]", "국민 3[MASK]"):
            assert refusal(client, text, "eojeol", True) == glued
        too_long = "이 모델이 읽기에는 너무 긴 글입니다. 12토큰 이내로 줄여 주세요."
        assert refusal(client, "[MASK] " * 11, "eojeol") == too_long


def test_fill_mask_numbers_the_blanks(model_file):
    with served("fill_mask", model_file) as client:
        rows = client.predict("[MASK] 앞에 [MASK] 평등하다.")["data"]
    assert [row[:2] for row in rows] == [[blank, rank] for blank in (1, 2) for rank in range(1, 6)]


def test_fill_mask_says_what_is_wrong_with_a_text(model_file):
    with served("fill_mask", model_file) as client:
        for text in ("국민은 법률 앞에 평등하다.", "", None, "[mask]", "<b>국민</b>"):
            message = refusal(client, text, "token", False, "word")
            assert message == "글에 빈칸이 없습니다. 알아맞힐 자리에 [MASK]라고 적어 주세요."
        # 12 positions: [CLS], ten [MASK], [SEP] fit, and an eleventh does not.
        assert len(client.predict("[MASK] " * 10)["data"]) == 50
        too_long_for_model = "이 모델이 읽기에는 너무 긴 글입니다. 12토큰 이내로 줄여 주세요."
        assert refusal(client, "[MASK] " * 11) == too_long_for_model
        message = refusal(client, "[MASK]" + "은" * 995)
        assert message == "글이 1,001자로 너무 깁니다. 1,000자 이하로 줄여 주세요."


def test_next_sentence_answers_as_the_pipeline_does(model_file):
    with served("next_sentence", model_file) as client:
        for pair in (("국민은 국회", "법률 앞에 평등하다."), ("법률 " * 200, "<img src=x> 국가")):
            label = client.predict(*pair, api_name="/next_sentence")
            expected = kbert.NextSentence(kbert.load(model_file))(*pair)
            names = ("이어짐", "이어지지 않음")
            assert label["label"] == names[expected["label"]]
            shown = {each["label"]: each["confidence"] for each in label["confidences"]}
            assert shown == pytest.approx(
                dict(zip(names, (expected["next"], expected["random"]), strict=True))
            )
            assert sum(shown.values()) == pytest.approx(1)


def test_next_sentence_says_what_is_wrong_with_a_text(model_file):
    with served("next_sentence", model_file) as client:
        for pair in (("국민", " \n"), ("", "국민"), (None, "국민")):
            assert refusal(client, *pair) == "비어 있는 글이 있습니다. 두 글을 모두 적어 주세요."
        message = refusal(client, "국민", "국" * 1001)
        assert message == "글이 1,001자로 너무 깁니다. 1,000자 이하로 줄여 주세요."


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_page_serves_this_machine_and_offers_one_call(script, model_file):
    with served(script, model_file) as client:
        assert client.src.startswith("http://127.0.0.1:")
        assert list(client.view_api(return_format="dict")["named_endpoints"]) == [f"/{script}"]
        assert client.config["show_error"] is False
        assert client.config["run_history"] is False
        said = client.config["i18n_translations"]
        assert said["ko"]["common.complete"] == said["en"]["common.complete"] == "답이 나왔습니다."
        components = {each["type"]: each["props"] for each in client.config["components"]}
        assert components["textbox"]["max_length"] == 1000
        assert "30,688자" in components["markdown"]["value"]
        # What holds words of the user or the model shows them as text.
        assert not {"html", "file", "uploadbutton", "chatbot"} & set(components)
        assert set(components.get("dataframe", {}).get("datatype", [])) <= {"str", "number"}
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


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
                ("GET", "/config"),
                ("POST", "/gradio_api/queue/join"),
            ):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request(method, path, body="{}", headers=headers)
                status = connection.getresponse().status
                connection.close()
                assert (status != 403) == answered, (host, origin, path)


def test_a_message_is_headed_in_korean():
    app = importlib.import_module("app")
    with pytest.raises(app.gr.Error) as refused:
        app.refuse("글이 없습니다.")
    assert (refused.value.title, refused.value.message) == ("알림", "글이 없습니다.")


def test_the_newest_quickstart_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = importlib.import_module("app")
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
    assert app.find_model() == Path("runs/quickstart-2/model.keras")
    assert app.find_model("klue/bert-base") == "klue/bert-base"


def test_the_command_line_reaches_the_page(model_file, monkeypatch, capsys):
    app = importlib.import_module("app")
    served_on = []
    monkeypatch.setattr(app, "launch", lambda page, port: served_on.append((page.title, port)))
    monkeypatch.setattr(sys, "argv", ["fill_mask.py", "--model", str(model_file), "--port", "7999"])
    app.main("A demo.", importlib.import_module("fill_mask").build)
    assert served_on == [("빈칸 채우기 · kbert", 7999)]
    assert str(model_file) in capsys.readouterr().out


def test_a_port_that_is_taken_is_named(model_file):
    page = importlib.import_module("next_sentence").build(kbert.load(model_file))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(kbert.KbertError, match=f"on port {port}.*--port"):
            importlib.import_module("app").launch(page, port, wait=False)


def run(script: str, folder: Path, before: str = "") -> subprocess.CompletedProcess:
    """Runs a script as a user does, in a folder, `before` being run first in its process."""
    code = f"{before}; import sys, runpy; sys.path.insert(0, {str(DEMOS)!r}); sys.argv = ['demo']; "
    code += f"runpy.run_path({str(DEMOS / script)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code] if before else [sys.executable, DEMOS / script]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=300)


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_model_the_error_says_how_to_get_one(script, tmp_path):
    result = run(f"{script}.py", tmp_path)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.strip().splitlines()[-1] == (
        "error: there is no runs/quickstart*/model.keras here: run `make quickstart` or "
        "`python recipes/pretrain_ko.py`, or pass --model PATH"
    )
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_gradio_the_error_says_what_to_install(tmp_path):
    result = run("fill_mask.py", tmp_path, before="import sys; sys.modules['gradio'] = None")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last == 'error: the demos need Gradio: `pip install -e ".[demo]"` in a clone of kbert'
    assert "Traceback" not in result.stderr
