# %% [markdown]
# # 내 CSV 파일로 미세 조정하기
#
# 글과 레이블이 든 CSV 파일 하나에서 시작해, 점수를 믿을 수 있는 분류 모델을 만들고 저장합니다. 예로 쓰는
# [docs/reviews.csv](../docs/reviews.csv)에는 영화 리뷰 40개가 있고, 그중 둘은 일부러 레이블을 틀리게 달아 두었습니다.
#
# Colab에서는 메뉴의 '런타임 > 런타임 유형 변경'에서 GPU를 고르면 훨씬 빠릅니다.

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
# ## 1. 파일 읽기
#
# 여기 `FILE`, `TEXT`, `LABEL`만 자기 것으로 바꾸세요. Colab이라면 왼쪽 '파일' 창에 CSV를 끌어다 놓고 이름만 적으면 됩니다. UTF-8과
# CP949(엑셀의 한국어 CSV), `.tsv`, `.jsonl`, `.xlsx`를 읽고, 잘못된 행이 있으면 몇 번째 행의 무엇이 잘못인지 알려 줍니다.

# %%
FILE = "../docs/reviews.csv"
TEXT, LABEL = "리뷰", "감정"  # 글이 든 열과 레이블이 든 열
# kbert에 들어 있는 작은 모델이라 인터넷 없이 바로 됩니다. "klue/bert-base"가 더 낫습니다. 처음 한 번 445MB를 내려받고,
# 학습률은 5e-5, 에폭은 4로 하세요.
MODEL, RATE, EPOCHS = "kbert-mini-ko", 3e-4, 8

import kbert

examples = kbert.read_table(FILE, text=TEXT, label=LABEL)
print(len(examples), "개.", "레이블:", examples.label_names)
print(examples.texts[0], "->", examples.labels[0])

# %% [markdown]
# 레이블마다 몇 개인지, 글이 얼마나 긴지 먼저 봅니다. 한 레이블이 아주 적다면 아래에서 `class_weights`를 쓰세요.

# %%
from collections import Counter

counts = Counter(examples.labels)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.5), layout="constrained")
left.bar(counts.keys(), counts.values())
left.set_title("레이블마다 몇 개인가")
right.hist([len(text) for text in examples.texts], bins=20)
right.set_title("글의 길이(글자)")
# %% [markdown]
# ## 2. 평가용으로 떼어 놓기
#
# 학습에 쓴 글로 채점하면 점수를 믿을 수 없습니다. `split`은 같은 글이 양쪽에 들어가지 않게 하고 레이블의 비율을 맞춥니다.

# %%
train, dev = examples.split(0.2, seed=0)
print("학습", len(train), "개, 평가", len(dev), "개")

# %% [markdown]
# ## 3. 모델과 학습
#
# 사전 학습한 모델에 새 분류 헤드를 얹습니다. `LabelledBatches` 하나에 모든 에폭이 들어 있으므로 `fit`에는 에폭을 적지 않습니다.
# `KeepBest`는 도중에 여러 번 평가용 글로 채점하고, 끝나면 가장 좋았던 가중치를 되돌려 놓습니다. 여기서는 그때마다 학습한 글로도 채점해서
# 두 점수를 견주어 봅니다.
#
# 메모리가 모자라면 `batch_size`를 줄이고, T4 같은 GPU라면 다음 줄에 `model = model.with_settings(dtype="mixed_float16")`을 더하세요.

# %%
model = kbert.load(MODEL, task="sequence-classification", labels=train.label_names)
batches = kbert.LabelledBatches(train, model, batch_size=8, epochs=EPOCHS)
model.compile(
    kbert.adamw(RATE, batches.steps, warmup_steps=batches.steps // 10),
    **kbert.objective(model),  # class_weights=train.balanced_weights()도 줄 수 있습니다
)
learned = []


def score_both(line: str) -> None:
    learned.append(kbert.evaluate(model, train)["accuracy"])
    print(f"{line}  (학습한 글 {learned[-1]:.0%})")


keep = kbert.KeepBest(dev, evaluations=8, say=score_both)
history = model.fit(batches, shuffle=False, callbacks=[keep], verbose=0)

# %%
figure, axes = plt.subplots(figsize=(5, 2.5), layout="constrained")
steps = [each["step"] for each in keep.history]
axes.plot(steps, learned, "o--", label="학습한 글")
axes.plot(steps, [each["accuracy"] for each in keep.history], "o-", label="평가용 글")
axes.legend()
axes.set_xlabel("스텝")
axes.set_ylabel("정확도")
axes.set_ylim(0, 1.05)
axes.set_title("학습하는 동안의 정확도")
# %% [markdown]
# kbert-mini-ko는 학습한 글 32개를 90% 안팎까지 맞히게 됩니다. 배우기는 한 것입니다. 그런데 처음 보는 글 여덟 개는 네다섯 개만 맞혀서 찍는
# 것과 다르지 않습니다. 글 40개로 이렇게 작은 모델이 할 수 있는 것은 외우기까지입니다. 학습용 32개를 다시 나누어 5e-5, 2e-4, 3e-4로 4에폭,
# 3e-4로 8에폭을 시험해 보니 처음 보는 글을 찍는 것보다 잘 맞히는 설정은 없었고, 5e-5로는 배운 글도 60%밖에 맞히지 못했습니다.
#
# 글이 더 있어야 합니다. 영화 리뷰(NSMC) 200개를 배우면 처음 보는 리뷰를 65%쯤([docs/ko/finetuning.md](../docs/ko/finetuning.md)), 10,000개를
# 배우면 80%쯤([docs/results.md](../docs/results.md), 영어) 맞힙니다. 사전 학습을 많이 한 큰 모델은 더 적은 글로도 배웁니다.

# %% [markdown]
# ## 4. 채점
#
# 평가용 글이 적으면 점수가 크게 흔들립니다. 여덟 개라면 하나만 달라져도 12.5점이 움직입니다. 게다가 이 여덟 개로 가중치를 골랐으니 점수가 조금
# 부풀어 있습니다. 논문처럼 말하려면 평가용 글을 따로 두고 시드를 바꾸어 여러 번 하세요. `recipes/finetune.py --seeds 3`이 그 일을 합니다.

# %%
found = kbert.evaluate(model, dev)
print(found)
print(found.confusion(), "행은 정답, 열은 모델의 답:", train.label_names)

# %% [markdown]
# 확신이 컸던 오답부터 봅니다. 글을 넉넉히 배운 모델이라면, 모델이 아니라 레이블이 틀린 것일 때가 많습니다.

# %%
for error in found.errors(5):
    print(
        f"{error['where']}: {error['label']}인데 {error['predicted']}({error['score']:.2f})  {error['text']}"
    )

kbert.write_report(found, "report.html")  # 브라우저로 열어 보세요

# %% [markdown]
# ## 5. 새 글에 물어보기

# %%
classify = kbert.TextClassifier(model)
news = ["이야기가 탄탄하고 끝까지 재미있어요", "두 시간이 너무 길게 느껴졌습니다"]
for text, answer in zip(news, classify(news), strict=True):
    print(f"{answer['label']} {answer['score']:.2f}  {text}")

# %% [markdown]
# 어떤 낱말을 보고 그렇게 답했는지 봅니다.

# %%
kbert.explain.attributions(model, news[0])

# %% [markdown]
# ## 6. 저장하고 다시 열기
#
# 레이블과 토크나이저까지 파일 하나에 들어갑니다. TensorFlow, JAX, PyTorch 어디서나 열리고, 이 파일만 있으면 `kbert.load`로 바로 쓸 수
# 있습니다. transformers를 쓰는 사람에게는 `kbert.export_huggingface(model, "폴더")`로 내보내 주세요.

# %%
model.save("reviews.keras")
again = kbert.load("reviews.keras")
print(kbert.TextClassifier(again)(news[0])["label"])

# %% [markdown]
# 다른 과제(개체명 인식, 질의응답, 문장 쌍, 숫자 맞히기)와 데이터가 적을 때의 방법은 [docs/ko/finetuning.md](../docs/ko/finetuning.md)에
# 있습니다.
