# %% [markdown]
# # BERT 강의 따라 하기
#
# BERT 강의를 들으면서 나오는 순서대로 실행해 보는 노트북입니다. 토큰, 임베딩, 어텐션, 마스크 언어 모델, 다음 문장 예측, 미세 조정,
# Sentence-BERT를 하나씩 확인합니다. 그림은 마우스나 손가락으로 만질 수 있습니다.
#
# 개념마다 코드의 어느 줄인지는 [docs/ko/lecture.md](../docs/ko/lecture.md)에, 강의에서 흔히 틀리는 곳은
# [docs/ko/errata.md](../docs/ko/errata.md)에 있습니다.

# %% [markdown]
# ## 준비
#
# 저장소를 내려받아 연 노트북이라면 그대로 실행하세요. Colab에서는 `SOURCE`에 `"git+"`와 저장소의 주소를 적으세요. 아직 PyPI에 올라가 있지
# 않습니다. TensorFlow, JAX, PyTorch는 설치된 것을 그대로 쓰고 새로 설치하지 않습니다.

# %%
import importlib.util
import subprocess
import sys

SOURCE = ".."  # 이 저장소의 폴더. Colab이라면 "git+저장소의 주소"

if importlib.util.find_spec("kbert") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", SOURCE], check=True)

# %% [markdown]
# 백엔드는 설치된 것 가운데 kbert가 고릅니다. 직접 고르려면 `import kbert`보다 먼저 `os.environ["KERAS_BACKEND"] = "jax"`처럼 적고 커널을
# 다시 시작하세요.
#
# 모델은 kbert에 들어 있는 kbert-mini-ko입니다(4층, 너비 256). 인터넷 없이 바로 되지만 글을 조금만 읽어서 세상일은 거의 모릅니다.
# `klue/bert-base`(12층, 너비 768)는 답이 훨씬 낫습니다. 처음 한 번 445MB를 내려받습니다. 이 노트북은 어느 쪽으로 해도 됩니다.

# %%
import kbert

# "klue/bert-base"라면 학습률은 5e-5, 문장 벡터의 학습률은 2e-5로 하세요.
MODEL, RATE, SENTENCE_RATE = "kbert-mini-ko", 3e-4, 2e-4

model = kbert.load(MODEL, task="pretraining")  # 사전 학습의 두 헤드까지
tokenizer = model.tokenizer
config = model.get_config()
print(f"{config['num_hidden_layers']}층, 너비 {config['hidden_size']}")
print(f"어휘 {len(tokenizer):,}개, 파라미터 {model.count_params():,}개")

# %% [markdown]
# 그래프에 쓸 한글 글꼴을 고릅니다. Colab에는 한글 글꼴이 없어서 나눔고딕을 설치합니다.

# %%
from matplotlib import font_manager
from matplotlib import pyplot as plt

FONTS = ("NanumGothic", "Malgun Gothic", "AppleGothic", "Noto Sans CJK KR", "Noto Sans CJK JP")


def installed_font() -> str | None:
    names = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in FONTS if name in names), None)


if installed_font() is None and "google.colab" in sys.modules:
    subprocess.run(["apt-get", "install", "-y", "-qq", "fonts-nanum"], check=True)
    for path in font_manager.findSystemFonts("/usr/share/fonts/truetype/nanum"):
        font_manager.fontManager.addfont(path)
if installed_font() is None:
    print("한글 글꼴이 없습니다. 나눔고딕을 설치하고 커널을 다시 시작하세요.")
else:
    plt.rcParams["font.family"] = installed_font()
plt.rcParams["axes.unicode_minus"] = False

# %% [markdown]
# ## 1. 토큰
#
# BERT는 글을 낱말이 아니라 조각(워드피스)으로 읽습니다. 어휘에 있는 가장 긴 조각을 앞에서부터 떼어 냅니다. `##`은 앞말에 이어지는
# 조각이라는 표시입니다. 어휘에 없는 글자가 하나라도 있으면 낱말 전체가 `[UNK]`가 됩니다.

# %%
for text in (
    "축구는 정말 재미있는 스포츠다.",
    "형태소 분석기 없이도 됩니다.",
    "뷁은 어휘에 없습니다.",
):
    print(tokenizer.tokenize(text))

# %% [markdown]
# 모델에 넣을 때는 앞뒤에 특수 토큰 `[CLS]`, `[SEP]`이 붙습니다. 글이 두 개면 그 사이에도 `[SEP]`이 들어갑니다.

# %%
row = tokenizer("축구는 재미있다.", "야구도 재미있다.")
for name, values in row.items():
    print(f"{name:15}", values[0].tolist())
print(f"{'토큰':15}", [tokenizer.token(int(index)) for index in row["input_ids"][0]])

# %% [markdown]
# ## 2. 임베딩
#
# 논문의 그림 2입니다. 토큰, 세그먼트, 위치 임베딩 세 벡터를 더합니다. 위치는 `[CLS]`부터 끝까지 빠짐없이 이어서 셉니다. 특수 토큰을
# 건너뛰고 세는 강의 자료는 틀린 것입니다.

# %%
kbert.explain.input_rows(model, "축구는 재미있다.", "야구도 재미있다.")

# %% [markdown]
# ## 3. 어텐션
#
# 낱말마다 다른 낱말을 얼마나 보는지가 어텐션 가중치입니다. 강의에 나오는 문장에서 `[MASK]`는 '개가'를 '길'보다 많이 볼까요? 모든 층과
# 헤드의 평균입니다.

# %%
text = "길 아래에서 온 개가 나에게 달려와서 [MASK]"
attention = kbert.explain.attention(model, text)
for eojeol, weight in attention.what_it_looks_at("[MASK]"):
    print(f"{weight:.3f}  {eojeol}")

# %% [markdown]
# 층과 헤드를 골라 보세요. 헤드마다 보는 곳이 다릅니다.

# %%
attention

# %% [markdown]
# ### 뉴런 보기
#
# 한 헤드가 한 토큰에서 하는 계산입니다. 쿼리와 키를 곱해 더한 다음 **헤드 크기의 제곱근으로 나누고**(빠뜨린 강의가 많습니다),
# 소프트맥스를 해서 가중치를 얻고, 그 가중치로 **밸류**를 더합니다.

# %%
view = kbert.explain.neuron_view(model, text, layer=0, head=0, token="[MASK]")
view

# %% [markdown]
# 정말 그런지 numpy로 다시 계산해 봅니다. 나누지 않으면 다른 가중치가 나옵니다.

# %%
import numpy as np


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


q_dot_k = view.keys @ view.query
divided = softmax(q_dot_k / np.sqrt(len(view.query)))
print("나눈 것과의 차이:", np.abs(divided - view.weights).max())
print("나누지 않은 것과의 차이:", np.abs(softmax(q_dot_k) - view.weights).max())

# %% [markdown]
# ## 4. 문맥 임베딩
#
# word2vec에서는 낱말마다 벡터가 하나였습니다. BERT에서는 문장에 따라 달라집니다. '배'가 들어간 문장들을 견주어 봅니다.

# %%
sentences = [
    "배를 타고 섬에 갔다.",
    "배를 저어 강을 건넜다.",
    "배를 깎아 먹었다.",
    "배가 달고 시원하다.",
]
kbert.explain.contextual(model, "배", sentences)

# %% [markdown]
# ## 5. 마스크 언어 모델
#
# 사전 학습의 첫째 과제입니다. 토큰의 15%를 맞히게 하는데, 그 가운데 80%는 `[MASK]`로, 10%는 무작위 토큰으로, 10%는 원래대로 보여 줍니다.
# 여기서는 잘 보이도록 비율을 높였습니다. `seed`를 바꾸면 다른 곳이 가려집니다.

# %%
kbert.explain.masking(tokenizer, "나는 오늘 아침에 회사에 출근을 했다.", seed=1, rate=0.5)

# %% [markdown]
# 빈칸을 채워 봅니다.

# %%
fill_mask = kbert.FillMask(model)
answers = fill_mask("축구는 정말 재미있는 [MASK]다.", top_k=5)
for answer in answers:
    print(f"{answer['score']:.3f}  {answer['sequence']}")

# %%
figure, axes = plt.subplots(figsize=(6, 2.5), layout="constrained")
axes.barh([answer["token_str"] for answer in answers], [answer["score"] for answer in answers])
axes.invert_yaxis()
axes.set_xlabel("확률")
axes.set_title("축구는 정말 재미있는 [MASK]다.")
# %% [markdown]
# kbert-mini-ko는 '영화'라고 답합니다. 축구가 무엇인지 모르는 것입니다. 강의에서 쓰는 `klue/bert-base`의 답은 '스포츠'입니다.
#
# 강의 자료에는 답이 `스포츠 다.`처럼 띄어서 나옵니다. 모델의 답이 아니라 토크나이저가 `[MASK]` 다음에서 새 낱말을 시작하기 때문입니다.
# 이어지는 조각으로 읽게 하면 답이 달라지기도 합니다. 화살표 왼쪽이 새 낱말로 읽은 답, 오른쪽이 이어지는 조각으로 읽은 답입니다.

# %%
glued = kbert.FillMask(model, glued_to_mask="continuation")
for blank in (
    "축구는 정말 재미있는 [MASK]다.",
    "그는 고등학교를 [MASK]했다.",
    "제2차 세계 [MASK]은 1945년에 끝났다.",
):
    as_word, as_rest = (fill(blank, top_k=1)[0] for fill in (fill_mask, glued))
    print(f"{as_word['sequence']} {as_word['score']:.2f}", end=" -> ")
    print(f"{as_rest['sequence']} {as_rest['score']:.2f}")

# %% [markdown]
# 어떤 낱말이 이 답에 영향을 주었을까요? 어텐션이 아니라 기울기로 답을 낱말마다 나눕니다.

# %%
kbert.explain.attributions(model, "축구는 정말 재미있는 [MASK]다.")

# %% [markdown]
# ## 6. 다음 문장 예측
#
# 사전 학습의 둘째 과제입니다. 레이블 **0이 이어진다**는 뜻이고 1이 무작위 문장이라는 뜻입니다. 이 판정은 다음 문장 헤드가 합니다. 마스크 언어
# 모델의 출력으로는 할 수 없습니다.

# %%
first = "2002년 월드컵 축구대회는 일본과 공동으로 개최되었던 세계적인 큰 잔치입니다."
seconds = [
    "여행을 가보니 한국의 2002년 월드컵 축구대회의 준비는 완벽했습니다.",
    "극장가서 로맨스 영화를 보고싶어요",
]
next_sentence = kbert.NextSentence(model)
for second in seconds:
    judged = next_sentence(first, second)
    print(f"레이블 {judged['label']}, 이어질 확률 {judged['next']:.5f}  {second}")

# %% [markdown]
# 무작위 문장은 다른 문서에서 오므로 이 과제는 주제만 보아도 풀립니다. 그래서 RoBERTa는 이 과제를 뺐습니다.

# %% [markdown]
# ## 7. 미세 조정
#
# 사전 학습한 인코더 위에 작은 헤드를 얹고, 레이블이 붙은 글로 전체를 조금 더 학습합니다. 여기서는 문장 열두 개로 합니다. 무엇이 새로
# 만들어졌는지는 `load_report`가 알려 줍니다.

# %%
good = [
    "정말 재미있어요",
    "배우들 연기가 좋았습니다",
    "또 보고 싶은 영화예요",
    "음악이 아름다워요",
    "시간 가는 줄 몰랐어요",
    "감동적이었습니다",
]
bad = [
    "너무 지루해요",
    "돈이 아깝습니다",
    "이야기가 엉성해요",
    "중간에 나왔어요",
    "다시는 안 봅니다",
    "실망했습니다",
]
texts, labels = good + bad, ["긍정"] * len(good) + ["부정"] * len(bad)

classifier = kbert.load(MODEL, task="sequence-classification", labels=["부정", "긍정"])
print("새로 만든 것:", classifier.load_report.new)

# %%
batches = kbert.LabelledBatches((texts, labels), classifier, batch_size=4, epochs=8)
classifier.compile(kbert.adamw(RATE, batches.steps), **kbert.objective(classifier))
history = classifier.fit(batches, shuffle=False, verbose=0)
for answer, text in zip(kbert.TextClassifier(classifier)(texts), texts, strict=True):
    print(f"{answer['label']} {answer['score']:.2f}  {text}")

# %% [markdown]
# 배운 문장을 다시 물었으니 거의 다 맞히는 것이 당연합니다. 얼마나 잘하는지 알려면 학습에 쓰지 않은 글이 있어야 합니다. 자기 CSV 파일로
# 제대로 하는 방법은 [my_csv.ipynb](my_csv.ipynb)에 있습니다.
#
# 어떤 낱말을 보고 판단했는지도 볼 수 있습니다.

# %%
kbert.explain.attributions(classifier, "이야기는 엉성한데 음악이 정말 아름다워요")

# %% [markdown]
# ## 8. 문장 벡터와 Sentence-BERT
#
# 문장 하나를 벡터 하나로 바꾸면 비슷한 문장을 찾을 수 있습니다. 벡터는 마지막 층에서 모든 토큰의 평균을 낸 것입니다. 사전 학습만 한 BERT의
# 평균은 코사인이 대체로 다 높아서 별로 쓸모가 없습니다.

# %%
sentence_model = kbert.load(MODEL, task="sentence-embedding")
encoder = kbert.SentenceEncoder(sentence_model)
questions = [
    "배송은 언제 되나요?",
    "물건이 언제 도착하나요?",
    "환불하고 싶어요.",
    "오늘 점심은 뭘 먹을까요?",
]


def draw(title: str) -> None:
    cosines = encoder.similarity(questions, questions)
    _, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.imshow(cosines, cmap="Blues", vmin=0, vmax=1.5)
    axes.set_xticks([])
    axes.set_yticks(range(len(questions)), questions)
    for i, j in np.ndindex(cosines.shape):
        axes.text(j, i, f"{cosines[i, j]:.2f}", ha="center", va="center")
    axes.set_title(title)


draw("학습하기 전의 코사인 유사도")

# %% [markdown]
# Sentence-BERT는 이 평균이 뜻을 나타내도록 학습합니다. 같은 모델이 두 문장을 따로 읽고, 두 벡터의 코사인이 사람이 매긴 점수(0에서 5)에
# 가까워지게 합니다. 제대로 하려면 KorSTS나 KLUE-STS처럼 문장 쌍이 수천 개 있어야 합니다. `recipes/sentence_bert.py`가 그 일을 합니다.
# 여기서는 무슨 일이 일어나는지만 봅니다.

# %%
rows = [
    {"첫째": "택배는 며칠 걸려요?", "둘째": "주문한 물건은 언제 와요?", "점수": 4.6},
    {"첫째": "택배는 며칠 걸려요?", "둘째": "돈을 돌려받고 싶습니다.", "점수": 1.0},
    {"첫째": "반품하려고 합니다.", "둘째": "돈을 돌려받고 싶습니다.", "점수": 4.0},
    {"첫째": "반품하려고 합니다.", "둘째": "오늘 날씨가 좋네요.", "점수": 0.0},
    {"첫째": "저녁에 뭐 먹지?", "둘째": "저녁 메뉴를 골라 주세요.", "점수": 4.5},
    {"첫째": "저녁에 뭐 먹지?", "둘째": "주문한 물건은 언제 와요?", "점수": 0.2},
]
sts = kbert.read_table(rows, text="첫째", pair="둘째", label="점수", problem_type="regression")

siamese = kbert.SiameseBert(sentence_model, "cosine")
batches = kbert.LabelledBatches(sts, siamese, batch_size=3, epochs=5)
siamese.compile(kbert.adamw(SENTENCE_RATE, batches.steps), **kbert.objective(siamese))
history = siamese.fit(batches, shuffle=False, verbose=0)
draw("조금 학습한 뒤의 코사인 유사도")

# %% [markdown]
# 이미 그렇게 학습한 `kbert.load("jhgan/ko-sroberta-multitask")`로도 그려 보세요. 자기 질문과 답이 든 CSV에서 찾는 방법은
# [docs/ko/search.md](../docs/ko/search.md)에 있습니다.

# %% [markdown]
# ## 다음에 볼 것
#
# - BERT의 한계와 그에 답한 연구: [docs/ko/limits.md](../docs/ko/limits.md)
# - 미세 조정의 모든 과제: [docs/ko/finetuning.md](../docs/ko/finetuning.md)
# - 문장 벡터를 학습하는 여러 방법: [docs/ko/sentence-vectors.md](../docs/ko/sentence-vectors.md)
# - TensorFlow의 `TFBert*`나 KoBERT로 짠 코드가 있다면: [from_tfbert_and_kobert.ipynb](from_tfbert_and_kobert.ipynb)
