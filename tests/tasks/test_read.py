"""Files of each format, as small as they can be; what is wrong with them is named."""

import json
import lzma

import pytest

from kbert import KbertError
from kbert.tasks import label_names as names
from kbert.tasks.read import read_task
from kbert.tasks.sets import SETS


def write(folder, name: str, text) -> None:
    text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    data = text.encode()
    (folder / name).write_bytes(lzma.compress(data) if name.endswith(".xz") else data)


NER = """## 토큰, 레이블 구분자 : \\t
## 컬럼명 : CHAR	NE_TAG
## klue-ner-v1_dev_00000-wikitree	<이순신:PS>은 #1
이	B-PS
순	I-PS
신	I-PS
은	O
_	O
#	O
1	B-QT

## klue-ner-v1_dev_00001-nsmc	굳
굳	O
""".replace("_\t", " \t")  # a space
DP = """## 칼럼명 : INDEX	WORD_FORM	LEMMA	POS	HEAD	DEPREL
## klue-dp-v1_dev_00000_wikitree	나는 간다.
1	나는	나 는	NP+JX	2	NP_SBJ
2	간다.	가 ㄴ다 .	VV+EF+SF	0	VP
"""
CONLLU = """# sent_id = s1
# text = 그는 "왔다".
1	그는	그+는	PRON	NP+JX	_	3	nsubj	_	_
2	"	"	PUNCT	SS	_	3	punct	_	SpaceAfter=No
3	왔다	오+았+다	VERB	VV+EP+EF	_	0	root	_	SpaceAfter=No
4	"	"	PUNCT	SS	_	3	punct	_	SpaceAfter=No
5	.	.	PUNCT	SF	_	3	punct	_	_

"""
SQUAD = {
    "version": "KorQuAD_v1.0_dev",
    "data": [
        {
            "paragraphs": [
                {
                    "context": "수도는 서울이다. 서울은 크다.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "수도는?",
                            "answers": [{"text": "서울", "answer_start": 4}],
                        }
                    ],
                }
            ]
        }
    ],
}
MRC = {
    "data": [
        {
            "title": "서울",
            "paragraphs": [
                {
                    "context": "수도는 서울이다.",
                    "qas": [
                        {
                            "guid": "klue-mrc-v1_dev_1",
                            "question": "인구는?",
                            "answers": [],
                            "plausible_answers": [{"text": "서울", "answer_start": 4}],
                            "is_impossible": True,
                            "question_type": 3,
                        }
                    ],
                }
            ],
        }
    ]
}
NLI = {"guid": "g0", "source": "s", "premise": "비가 온다", "hypothesis": "맑다"}
RE = {
    "guid": "r0",
    "sentence": "조선의 이순신이다.",
    "subject_entity": {"word": "이순신", "start_idx": 4, "end_idx": 6, "type": "PER"},
    "object_entity": {"word": "조선", "start_idx": 0, "end_idx": 1, "type": "LOC"},
    "label": "per:origin",
}
STS = {"guid": "s0", "sentence1": "가", "sentence2": "나"}
COPA = """ID	sentence	question	1	2	Answer
1	차가 찌그러졌다.	원인 	가	나	2
"""
WOS = [
    {
        "guid": "w0",
        "dialogue": [
            {"role": "user", "text": "호텔요", "state": ["숙소-종류-호텔"]},
            {"role": "sys", "text": "어디요?"},
            {"role": "user", "text": "A-B", "state": ["숙소-지역-A-B", "숙소-종류-호텔"]},
        ],
    }
]


def test_nsmc_has_no_quoting_and_keeps_its_empty_texts(tmp_path):
    write(tmp_path, "ratings_test.txt.xz", 'id\tdocument\tlabel\n1\t"""굳"""\t1\n2\t\t0\r\n')
    examples = read_task("nsmc", str(tmp_path), "test")
    assert examples.texts == ['"""굳"""', ""]
    assert examples.labels == ["positive", "negative"]
    assert (examples.ids, examples.groups) == (["1", "2"], None)
    assert (examples.set_name, examples.part) == ("nsmc", "test")
    assert [origin.row for origin in examples.origins or []] == [2, 3]
    assert examples.label_names == ["negative", "positive"]


def test_klue_nli_is_grouped_by_its_premise(tmp_path):
    write(tmp_path, "klue-nli-v1.1_dev.json", [{**NLI, "gold_label": "contradiction"}])
    examples = read_task("klue-nli", tmp_path, "dev")
    assert (examples.texts, examples.pairs) == (["비가 온다"], ["맑다"])
    assert (examples.labels, examples.groups) == (["contradiction"], ["비가 온다"])
    assert examples.label_names == ["entailment", "contradiction", "neutral"]


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [({"label": 3.7, "real-label": 3.714}, 3.714), ({"label": 3.7, "binary-label": 1}, 3.7)],
)
def test_klue_sts_has_the_mean_of_the_raters_where_it_is_there(tmp_path, labels, wanted):
    write(tmp_path, "klue-sts-v1.1_train.json", [{**STS, "labels": labels}])
    examples = read_task("klue-sts", tmp_path)
    assert (examples.labels, examples.problem_type) == ([wanted], "regression")


def test_klue_ner_is_made_of_its_characters(tmp_path):
    write(tmp_path, "klue-ner-v1.1_dev.tsv", NER)
    examples = read_task("klue-ner", tmp_path, "dev")
    assert examples.texts == ["이순신은 #1", "굳"]
    assert examples.labels == [[(0, 3, "PS"), (6, 7, "QT")], []]
    assert examples.ids == ["klue-ner-v1_dev_00000-wikitree", "klue-ner-v1_dev_00001-nsmc"]
    assert [origin.row for origin in examples.origins or []] == [3, 12]


def test_klue_re_marks_the_entities(tmp_path):
    write(tmp_path, "klue-re-v1.1_dev.json", [RE])
    examples = read_task("klue-re", tmp_path, "dev")
    assert examples.texts == ["<obj>조선</obj>의 <subj>이순신</subj>이다."]
    assert (examples.labels, examples.groups) == (["per:origin"], ["조선의 이순신이다."])


def test_klue_dp(tmp_path):
    write(tmp_path, "klue-dp-v1.1_dev.tsv", DP)
    examples = read_task("klue-dp", tmp_path, "dev")
    assert examples.texts == ["나는 간다."]
    assert examples.labels == [[(2, "NP_SBJ", "NP+JX"), (0, "VP", "VV+EF+SF")]]
    assert examples.ids == ["klue-dp-v1_dev_00000_wikitree"]


def test_universal_dependencies(tmp_path):
    write(tmp_path, "ko_gsd-ud-dev.conllu", CONLLU)
    tags = read_task("ud-gsd-pos", tmp_path, "dev")
    assert tags.texts == ['그는 "왔다".']
    spans = [(0, 2, "PRON"), (3, 4, "PUNCT"), (4, 6, "VERB"), (6, 7, "PUNCT"), (7, 8, "PUNCT")]
    assert tags.labels == [spans]
    parses = read_task("ud-gsd-parsing", tmp_path, "dev")
    assert parses.texts == ['그는 " 왔다 " .']
    assert parses.labels[0][:3] == [
        (3, "nsubj", "PRON"),
        (3, "punct", "PUNCT"),
        (0, "root", "VERB"),
    ]


def test_answers(tmp_path):
    write(tmp_path, "KorQuAD_v1.0_dev.json", SQUAD)
    examples = read_task("korquad", tmp_path, "dev")
    assert (examples.texts, examples.labels) == (["수도는?"], [[(4, "서울")]])
    assert examples.groups == examples.pairs == ["수도는 서울이다. 서울은 크다."]
    write(tmp_path, "klue-mrc-v1.1_dev.json", MRC)
    examples = read_task("klue-mrc", tmp_path, "dev")
    assert (examples.labels, examples.ids) == ([[]], ["klue-mrc-v1_dev_1"])


def test_an_answer_stands_at_the_nearest_place_where_it_is(tmp_path):
    data = json.loads(json.dumps(SQUAD))
    question = data["data"][0]["paragraphs"][0]["qas"][0]
    question["answers"][0]["answer_start"] = 9  # 서울 stands at 4 and at 10
    write(tmp_path, "KorQuAD_v1.0_dev.json", data)
    assert read_task("korquad", tmp_path, "dev").labels == [[(10, "서울")]]


def test_dialogues(tmp_path):
    write(tmp_path, "wos-v1.1_dev.json", WOS)
    examples = read_task("klue-wos", tmp_path, "dev")
    assert examples.texts == ["호텔요", "A-B"]
    assert examples.pairs == [[], ["호텔요", "어디요?"]]
    assert examples.labels == [["숙소-종류-호텔"], ["숙소-종류-호텔", "숙소-지역-A-B"]]
    assert examples.groups == ["w0", "w0"]


def test_korsts_and_korean_hate_speech(tmp_path):
    sts = 'genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2\na\tb\tc\td\t4.500\t"가\t나\n'
    write(tmp_path, "sts-dev.tsv", sts)
    examples = read_task("korsts", tmp_path, "dev")
    assert (examples.texts, examples.pairs, examples.labels) == (['"가'], ["나"], [4.5])
    hate = 'comments\tcontain_gender_bias\tbias\thate\n"그는 ""가"" 했다"\tFalse\tnone\toffensive\n'
    write(tmp_path, "train.tsv", hate)
    examples = read_task("korean-hate-speech", tmp_path)
    assert (examples.texts, examples.labels) == (['그는 "가" 했다'], ["offensive"])
    write(tmp_path, "test.no_label.tsv", "comments\n가\n")
    assert read_task("korean-hate-speech", tmp_path, "test").labels is None


def test_several_labels(tmp_path):
    write(tmp_path, "kmhas_valid.txt", "document\tlabel\n가\t2,3\n")
    examples = read_task("k-mhas", tmp_path, "dev")
    assert examples.labels == [["정치성향차별", "혐오욕설"]]
    write(tmp_path, "val.tsv", "7\t가\t0,43\n")
    examples = read_task("kote", tmp_path, "dev")
    assert (examples.labels, examples.ids) == ([["불평/불만", "안심/신뢰"]], ["7"])


def test_kobest(tmp_path):
    boolq = tmp_path / "BoolQ.tsv"
    boolq.write_text("ID\tText\tQuestion\tAnswer\n1\t글\t물음?\tTRUE\r\n", encoding="utf-8")
    examples = read_task("kobest-boolq", boolq, "dev")
    assert (examples.texts, examples.pairs, examples.labels) == (["물음?"], ["글"], ["True"])
    copa = tmp_path / "COPA.tsv"
    copa.write_text(COPA, encoding="utf-8")
    examples = read_task("kobest-copa", copa, "dev")
    assert examples.texts == ["차가 찌그러졌다. 원인은 무엇인가?"]
    assert (examples.pairs, examples.labels) == ([["가", "나"]], [1])
    assert (examples.label_names, examples.groups) == ([], ["차가 찌그러졌다."])


def test_paraphrases_are_grouped_by_tens(tmp_path):
    write(tmp_path, "paraKQC_v1.txt", "0\t0\t가\n" * 10 + "0\t1\t나\r\n" * 10)
    examples = read_task("parakqc", tmp_path, "all")
    assert (examples.groups, examples.part) == (["0"] * 10 + ["1"] * 10, None)
    assert examples.labels == ["alternative question"] * 10 + ["wh-question"] * 10
    write(tmp_path, "paraKQC_v1.txt", "0\t0\t가\n" * 9 + "0\t1\t나\n" * 11)
    with pytest.raises(KbertError, match=r"row 10: .*by tens"):
        read_task("parakqc", tmp_path, "all")


def test_a_pair_with_an_empty_sentence_is_left_out_of_paws_x(tmp_path):
    write(tmp_path, "dev_2k.tsv", "id\tsentence1\tsentence2\tlabel\n1\t가\t\t0\n2\t가\t나\t1\n")
    examples = read_task("paws-x-ko", tmp_path, "dev")
    assert (examples.texts, examples.labels) == (["가"], ["same"])
    assert str((examples.origins or [])[0]).endswith("dev_2k.tsv, row 3")


def test_zero_means_the_same_in_question_pairs(tmp_path):
    write(tmp_path, "dev.tsv", "question1\tquestion2\tis_duplicate\n가\t가\t0\n가\t나\t1\n")
    assert read_task("question-pair", tmp_path, "dev").labels == ["same", "different"]


@pytest.mark.parametrize(
    ("name", "file", "text", "message"),
    [
        ("nsmc", "ratings_train.txt", "", "is empty"),
        ("nsmc", "ratings_train.txt", "id\tdocument\tlabel\n", "no examples"),
        ("nsmc", "ratings_train.txt", "id\tdocument\tlabel\n1\t가\t2\n", "row 2: the label '2'"),
        ("nsmc", "ratings_train.txt", "id\tdocument\tlabel\n1\t가\n", "row 2: 2 cells, where"),
        ("nsmc", "ratings_train.txt", "id\ttext\tlabel\n1\t가\t1\n", "no column 'document'"),
        ("nsmc", "ratings_train.txt", "id\tid\tdocument\n1\t1\t가\n", "two columns.*'id'"),
        ("korsts", "sts-train.tsv", "score\tsentence1\tsentence2\nnan\t가\t나\n", "not 'nan'"),
        (
            "korsts",
            "sts-train.tsv",
            "score\tsentence1\tsentence2\n1\t\t나\n",
            "row 2: an empty text",
        ),
        ("korean-hate-speech", "train.tsv", 'comments\thate\n"가" 나\tnone\n', "stray quotation"),
        ("klue-nli", "klue-nli-v1.1_train.json", "{", "no JSON"),
        ("klue-nli", "klue-nli-v1.1_train.json", "[]", "a JSON list"),
        ("klue-nli", "klue-nli-v1.1_train.json", [STS], "no column 'premise'"),
        ("klue-nli", "klue-nli-v1.1_train.json", [{**NLI, "gold_label": "-"}], "row 1.*'-'"),
        (
            "klue-nli",
            "klue-nli-v1.1_train.json",
            [{**NLI, "premise": 3}],
            "premise is a text, not 3",
        ),
        ("klue-ner", "klue-ner-v1.1_train.tsv", NER.replace("I-PS", "I-XX"), "row 5.*'순.tI-XX'"),
        ("klue-ner", "klue-ner-v1.1_train.tsv", "id\tlabel\n", "row 1: a character"),
        ("klue-re", "klue-re-v1.1_train.json", [{**RE, "label": "x"}], "row 1: 'x' is no relation"),
        (
            "klue-re",
            "klue-re-v1.1_train.json",
            [{**RE, "sentence": "가"}],
            "not the entity '이순신'",
        ),
        ("klue-re", "klue-re-v1.1_train.json", [{"sentence": "가"}], "no 'subject_entity'"),
        ("klue-dp", "klue-dp-v1.1_train.tsv", DP.replace("\t2\tNP", "\t3\tNP"), "'나는' is 3"),
        ("klue-dp", "klue-dp-v1.1_train.tsv", DP.replace("NP_SBJ", "nsubj"), "'nsubj' is none of"),
        ("klue-dp", "klue-dp-v1.1_train.tsv", DP.replace("\n2\t", "\n3\t"), "row 4: 6 cells"),
        ("ud-gsd-pos", "train.conllu", CONLLU.replace("VERB", "VB"), "row 3: 'VB' is no part of"),
        (
            "ud-gsd-pos",
            "train.conllu",
            CONLLU.replace("3\t왔다", "3\t갔다"),
            "row 3: the word '갔다' is not",
        ),
        ("korquad", "KorQuAD_v1.0_train.json", {"data": [{}]}, "not SQuAD's format.*'paragraphs'"),
        ("korquad", "KorQuAD_v1.0_train.json", {"data": []}, "no questions"),
        ("klue-wos", "wos-v1.1_train.json", [{"guid": "a"}], "row 1: not a dialogue"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, file, text, message):
    write(tmp_path, file, text)
    with pytest.raises(KbertError, match=message) as caught:
        read_task(name, tmp_path)
    assert file in str(caught.value)


def test_answers_that_are_not_there_are_named(tmp_path):
    text = json.dumps(SQUAD, ensure_ascii=False)
    write(tmp_path, "KorQuAD_v1.0_train.json", text.replace('"text": "서울"', '"text": "부산"'))
    with pytest.raises(KbertError, match="row 1: the answer '부산' is not in its context"):
        read_task("korquad", tmp_path)
    write(tmp_path, "KorQuAD_v1.0_train.json", {"data": SQUAD["data"] * 2})
    with pytest.raises(KbertError, match="two questions have the id '1'"):
        read_task("korquad", tmp_path)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "ratings_train.txt.xz").write_bytes(b"no xz")
    with pytest.raises(KbertError, match=r"ratings_train.txt.xz cannot be read"):
        read_task("nsmc", tmp_path)
    (tmp_path / "ratings_test.txt").write_bytes("id\tdocument\tlabel\n1\t가\t1\n".encode("cp949"))
    with pytest.raises(KbertError, match=r"row 2: not UTF-8, but the byte 0xb0"):
        read_task("nsmc", tmp_path, "test")


def test_which_file_of_a_folder_it_is(tmp_path):
    with pytest.raises(KbertError, match=r"no file like klue-ner-v1.1_train\.tsv or "):
        read_task("klue-ner", tmp_path)
    write(tmp_path, "klue-ner-v1.1_train_first5000.tsv.xz", NER)
    assert len(read_task("klue-ner", tmp_path)) == 2
    write(tmp_path, "klue-ner-v1.1_train_half.tsv", NER)
    with pytest.raises(KbertError, match=r"several such files: .*first5000.tsv.xz, .*half.tsv"):
        read_task("klue-ner", tmp_path)
    write(tmp_path, "klue-ner-v1.1_train.tsv", NER)  # the official one goes before
    assert (read_task("klue-ner", tmp_path).origins or [])[0].file.endswith("_train.tsv")
    (tmp_path / "kobest" / "COPA").mkdir(parents=True)
    write(tmp_path / "kobest" / "COPA", "dev.tsv", COPA)
    write(tmp_path / "kobest", "dev.tsv", "of another set")
    assert read_task("kobest-copa", tmp_path / "kobest", "dev").labels == [1]
    assert read_task("kobest-copa", tmp_path / "kobest" / "COPA", "dev").labels == [1]
    (tmp_path / "kobest" / "dev.tsv").unlink()
    (tmp_path / "klue-ner-v1.1").mkdir()
    write(tmp_path / "klue-ner-v1.1", "klue-ner-v1.1_dev.tsv", NER)
    assert len(read_task("klue-ner", tmp_path, "dev")) == 2
    with pytest.raises(KbertError, match="neither a folder nor a file"):
        read_task("klue-ner", tmp_path / "nowhere")


def test_what_there_is_not_is_an_error_that_says_what_there_is(tmp_path):
    with pytest.raises(KbertError, match="no set 'nsmcc'; there are klue-ynat, "):
        read_task("nsmcc", tmp_path)
    with pytest.raises(KbertError, match="nsmc has the parts train, test, not 'dev'"):
        read_task("nsmc", tmp_path, "dev")


def test_a_dataset_goes_by_its_own_names_of_labels():
    datasets = pytest.importorskip("datasets")
    order = ["entailment", "neutral", "contradiction"]  # not KLUE's own
    features = {name: datasets.Value("string") for name in ("guid", "premise", "hypothesis")}
    features["label"] = datasets.ClassLabel(names=order)
    rows = {
        "guid": ["a", "b"],
        "premise": ["가", "가"],
        "hypothesis": ["나", "다"],
        "label": [1, 2],
    }
    dataset = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    examples = read_task("klue-nli", dataset, "dev")
    assert examples.labels == ["neutral", "contradiction"]
    assert (examples.groups, examples.ids) == (["가", "가"], ["a", "b"])
    assert str((examples.origins or [])[1]) == "the dataset, row 2"
    with pytest.raises(KbertError, match="no column 'document'"):
        read_task("nsmc", dataset, "test")
    with pytest.raises(KbertError, match="from its official files"):
        read_task("klue-ner", dataset, "dev")
    with pytest.raises(KbertError, match="no examples"):
        read_task("klue-nli", dataset.select([]), "dev")
    rows["label"][0] = -1  # how a hidden label is written
    hidden = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    with pytest.raises(KbertError, match="the dataset, row 1: the label -1 is none of"):
        read_task("klue-nli", hidden, "dev")


def test_the_official_numbers_of_labels():
    lengths = {name: len(SETS[name].label_names) for name in SETS if name.startswith("klue")}
    assert lengths == {
        "klue-ynat": 7,
        "klue-sts": 1,  # the number
        "klue-nli": 3,
        "klue-ner": 13,
        "klue-re": 30,
        "klue-dp": 38,
        "klue-mrc": 0,
        "klue-wos": 0,
    }
    assert (len(names.SEJONG), names.DEPENDENCIES[15], len(names.KOTE)) == (45, "VP_CMP", 44)
    assert (len(names.UPOS), len(names.UD_RELATIONS)) == (17, 37)


def test_the_score_that_chooses_the_weights_is_one_that_the_metric_gives():
    of_metric = {
        "klue_ner": (["B-PS"], ["B-PS"]),
        "klue_mrc": ([["가"]], ["가"]),
        "korquad": ([["가"]], ["가"]),
        "klue_dp": ([[(0, "VP")]], [[(0, "VP")]]),
        "attachment": ([[(0, "root")]], [[(0, "root")]]),
        "klue_wos": ([["a-b-c"]], [["a-b-c"]]),
        "klue_re": (["per:title"], ["per:title"]),
        "multi_label": ([["가"]], [["가"]]),
        "correlation": ([1.0, 2.0], [3.0, 4.0]),
        "klue_sts": ([1.0, 4.0], [1.0, 4.0]),
        "classification": (["가"], ["가"]),
    }
    for name, task_set in SETS.items():
        scores = task_set.metric(*of_metric[task_set.metric.__name__])
        assert scores[task_set.best_by] == pytest.approx(1), name
