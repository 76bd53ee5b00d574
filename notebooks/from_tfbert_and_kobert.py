# %% [markdown]
# # TFBert*와 KoBERT 코드를 kbert로 옮기기
#
# transformers 5에서는 `TFBertModel`, `TFBertForMaskedLM` 같은 TensorFlow 클래스가 모두 없어졌습니다. KoBERT 예제가 쓰는
# `mxnet`과 `gluonnlp`는 요즘 파이썬에 설치되지 않습니다. 이 노트북은 강의와 블로그에 흔한 코드를 하나씩 kbert로 옮깁니다. 예전 코드는 글로만
# 보여 주고, 옮긴 코드는 실행합니다. 옮긴 코드는 TensorFlow, JAX, PyTorch 어디서나 돌아갑니다.

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
# 예전 코드처럼 TensorFlow로 하려면 `import kbert`보다 먼저 `os.environ["KERAS_BACKEND"] = "tensorflow"`라고 적으세요. 적지 않으면 설치된
# 것 가운데 하나를 고릅니다.

# %%
import kbert

# kbert에 들어 있는 작은 모델이라 인터넷 없이 바로 됩니다. 예전 코드처럼 "klue/bert-base"로 하면 답이 더 낫습니다. 처음 한 번
# 445MB를 내려받고, 학습률은 5e-5로 하세요.
MODEL, RATE = "kbert-mini-ko", 3e-4

# %% [markdown]
# ## 한눈에 보기
#
# | 예전 코드 | kbert |
# |---|---|
# | `AutoTokenizer.from_pretrained(name)` | `model.tokenizer` (모델과 함께 옵니다) |
# | `TFBertModel.from_pretrained(name, from_pt=True)` | `kbert.load(name, task="encoder")` |
# | `TFBertForMaskedLM`과 `FillMaskPipeline` | `kbert.load(name, task="masked-lm")`과 `kbert.FillMask` |
# | `TFBertForNextSentencePrediction` | `kbert.load(name, task="next-sentence-prediction")`과 `kbert.NextSentence` |
# | `TFBertForSequenceClassification` | `kbert.load(name, task="sequence-classification", labels=[...])` |
# | `TFBertForTokenClassification` | `kbert.load(name, task="token-classification", labels=[...])` |
# | `TFBertForQuestionAnswering` | `kbert.load(name, task="question-answering")` |
# | `outputs.last_hidden_state`, `outputs[0]` | `outputs["last_hidden_state"]` |
# | `outputs.pooler_output`, `outputs[1]` | `outputs["pooler_output"]` |
# | `model.save_pretrained(folder)` | `model.save("model.keras")`, `kbert.export_huggingface(model, folder)` |

# %% [markdown]
# ## 1. 토크나이저와 인코더
#
# ```python
# tokenizer = AutoTokenizer.from_pretrained("klue/bert-base")
# model = TFBertModel.from_pretrained("klue/bert-base", from_pt=True)
# inputs = tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="tf")
# outputs = model(inputs)
# outputs.last_hidden_state, outputs.pooler_output
# ```
#
# `padding`, `truncation`, `return_tensors`는 적지 않습니다. 가장 긴 글에 맞춰 패딩하고, `max_length`를 주면 자르고, 어느 백엔드에나 넣을 수
# 있는 numpy 배열을 줍니다.

# %%
texts = ["축구는 정말 재미있는 스포츠다.", "국회는 법률을 의결한다."]

bert = kbert.load(MODEL, task="encoder")
inputs = bert.tokenizer(texts, max_length=32)
outputs = bert(inputs)
print(outputs["last_hidden_state"].shape, outputs["pooler_output"].shape)

# %% [markdown]
# 층별 출력과 어텐션은 예전과 같은 이름으로 부탁합니다.

# %%
outputs = bert(inputs, output_hidden_states=True, output_attentions=True)
print(len(outputs["hidden_states"]), outputs["attentions"][0].shape)

# %% [markdown]
# ## 2. 빈칸 채우기
#
# ```python
# model = TFBertForMaskedLM.from_pretrained("klue/bert-base", from_pt=True)
# pip = FillMaskPipeline(model=model, tokenizer=tokenizer)
# pip("축구는 정말 재미있는 [MASK]다.")
# ```
#
# 답은 같은 키(`score`, `token`, `token_str`, `sequence`)를 가진 딕셔너리 다섯 개입니다. (kbert-mini-ko는 글을 조금만 읽어서 '영화'라고
# 답합니다. 예전 코드의 답은 '스포츠'입니다.)

# %%
model = kbert.load(MODEL, task="pretraining")  # 3절의 헤드까지 한 번에
for answer in kbert.FillMask(model)("축구는 정말 재미있는 [MASK]다.", top_k=5):
    print(answer["token_str"], round(answer["score"], 3), answer["sequence"])

# %% [markdown]
# ## 3. 다음 문장 예측
#
# ```python
# model = TFBertForNextSentencePrediction.from_pretrained("klue/bert-base", from_pt=True)
# encoding = tokenizer(prompt, next_sentence, return_tensors="tf")
# logits = model(encoding["input_ids"], token_type_ids=encoding["token_type_ids"])[0]
# probs = tf.keras.layers.Softmax()(logits)
# print(tf.math.argmax(probs, axis=-1).numpy())
# ```
#
# 앞 절의 마스크 언어 모델을 그대로 쓴 코드는 `[0]`이 아니라 토큰 번호를 찍습니다. 다음 문장 헤드가 따로 있기 때문입니다. kbert는 헤드가 없는
# 모델이면 오류로 알려 줍니다.

# %%
judged = kbert.NextSentence(model)("이 영화는 정말 재미있었다.", "배우들의 연기가 좋았다.")
print(judged, "이어짐" if judged["label"] == 0 else "이어지지 않음")

# %% [markdown]
# ## 4. 분류 모델 미세 조정
#
# ```python
# model = TFBertForSequenceClassification.from_pretrained("klue/bert-base", num_labels=2, from_pt=True)
# optimizer = tf.keras.optimizers.Adam(learning_rate=5e-5)
# model.compile(optimizer=optimizer, loss=model.hf_compute_loss, metrics=["accuracy"])
# model.fit(dataset.shuffle(10000).batch(32), epochs=2)
# ```
#
# 레이블을 숫자로 바꾸거나 `tf.data.Dataset`을 만들 필요가 없습니다. `objective`가 모델에 맞는 손실과 지표를 줍니다.

# %%
reviews = ["정말 재미있어요", "또 보고 싶어요", "너무 지루해요", "돈이 아까워요"] * 4
moods = ["긍정", "긍정", "부정", "부정"] * 4

classifier = kbert.load(MODEL, task="sequence-classification", labels=["부정", "긍정"])
batches = kbert.LabelledBatches((reviews, moods), classifier, batch_size=8, epochs=4)
classifier.compile(kbert.adamw(RATE, batches.steps), **kbert.objective(classifier))
history = classifier.fit(batches, shuffle=False, verbose=0)
print(kbert.TextClassifier(classifier)("정말 재미있어요"))

# %% [markdown]
# 강의에 많이 나오는 `loss="sparse_categorical_crossentropy"`는 확률을 기대하는데 이 헤드는 로짓을 냅니다. 그대로 학습하면 오류도 없이
# 거의 배우지 못합니다. kbert는 `compile`에서 막습니다.

# %%
try:
    classifier.compile("adam", loss="sparse_categorical_crossentropy")
except kbert.KbertError as error:
    print(error)

# %% [markdown]
# ## 5. 직접 만든 `tf.keras.Model` 속의 BERT
#
# ```python
# class TFBertForSequenceClassification(tf.keras.Model):
#     def __init__(self, model_name, num_labels):
#         super().__init__()
#         self.bert = TFBertModel.from_pretrained(model_name, from_pt=True)
#         self.classifier = tf.keras.layers.Dense(num_labels, activation="softmax")
#
#     def call(self, inputs):
#         input_ids, attention_mask, token_type_ids = inputs
#         outputs = self.bert(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
#         return self.classifier(outputs[1])
# ```
#
# `Bert`는 보통 Keras 층처럼 씁니다. 세 배열을 이름이 붙은 딕셔너리로 넘기면 됩니다. `import kbert`를 `import keras`보다 먼저 쓰세요.

# %%
import keras
import numpy as np

names = ("input_ids", "token_type_ids", "attention_mask")
layers = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
probabilities = keras.layers.Dense(2, activation="softmax")(bert(layers)["pooler_output"])
own = keras.Model(layers, probabilities)
own.compile(
    keras.optimizers.Adam(RATE), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
)

rows = bert.tokenizer(reviews, max_length=32)
targets = np.array([int(mood == "긍정") for mood in moods])
history = own.fit(rows, targets, batch_size=8, epochs=4, verbose=0)
print(own.predict(rows, verbose=0)[:2].round(2))

# %% [markdown]
# 여기서는 `softmax`를 씌웠으니 확률을 기대하는 손실이 맞습니다. 헤드까지 kbert의 클래스를 쓰면(4절) 파일 하나로 저장하고 공유하기가 더 쉽습니다.

# %% [markdown]
# ## 6. KoBERT
#
# ```python
# from kobert import get_tokenizer
# from kobert.pytorch_kobert import get_pytorch_kobert_model
#
# bertmodel, vocab = get_pytorch_kobert_model()
# tok = nlp.data.BERTSPTokenizer(get_tokenizer(), vocab, lower=False)
# transform = nlp.data.BERTSentenceTransform(tok, max_seq_length=64, pad=True, pair=False)
#
# class BERTDataset(Dataset): ...
# class BERTClassifier(nn.Module): ...      # gen_attention_mask, dropout, Linear
# for epoch in range(5): ...                # zero_grad, backward, clip_grad_norm_, scheduler.step
# ```
#
# KoBERT의 SentencePiece 토크나이저와 특수 토큰 번호는 파일에서 읽으므로 다른 모델과 똑같이 씁니다. `BERTDataset`은 `LabelledBatches`,
# `BERTClassifier`는 `task="sequence-classification"`, 학습 반복문은 `fit`입니다. 기울기 자르기와 웜업은 `adamw`에 들어 있습니다. 가중치가
# `pytorch_model.bin`뿐이라면 무엇을 해야 하는지 오류가 알려 줍니다. 여기서는 인터넷 없이도 되도록 같은 모델로 합니다.

# %%
KOBERT = MODEL  # KoBERT라면 "skt/kobert-base-v1", 학습률은 5e-5

kobert = kbert.load(KOBERT, task="sequence-classification", labels=["부정", "긍정"])
print(kobert.tokenizer.tokenize("한국어 모델을 공유합니다."))

batches = kbert.LabelledBatches((reviews, moods), kobert, batch_size=8, epochs=1, max_length=64)
kobert.compile(
    kbert.adamw(RATE, batches.steps, warmup_steps=batches.steps // 10), **kbert.objective(kobert)
)
history = kobert.fit(batches, shuffle=False, verbose=0)
print(kbert.TextClassifier(kobert)(reviews[0])["label"])

# %% [markdown]
# NSMC의 `ratings_train.txt`라면 `kbert.read_table("ratings_train.txt", text="document", label="label")`이나
# `kbert.read_task("nsmc", "폴더", "train")`으로 읽습니다. 빈 글이나 잘못된 행이 있으면 몇 번째 행인지 알려 줍니다.

# %% [markdown]
# ## 7. 저장과 공유
#
# ```python
# model.save_weights("weights.h5")          # 토크나이저와 설정은 따로
# model.save_pretrained("folder")
# ```

# %%
kobert.save("kobert.keras")  # 가중치, 설정, 레이블, 토크나이저가 함께
print(kbert.TextClassifier(kbert.load("kobert.keras"))(reviews[0])["label"])
kbert.export_huggingface(classifier, "for-transformers")  # transformers가 읽는 폴더

# %% [markdown]
# ## 더 볼 것
#
# - 학습, 채점, 여러 과제: [docs/ko/finetuning.md](../docs/ko/finetuning.md)
# - 불러올 수 있는 한국어 체크포인트(영어): [docs/checkpoints.md](../docs/checkpoints.md)
