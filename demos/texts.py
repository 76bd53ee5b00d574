"""What the demos say, in Korean and in English: one table, both languages of a text together."""

from typing import Literal

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = ("ko", "en")

TEXTS: dict[str, tuple[str, str]] = {
    # The page
    "page_title": ("한국어 BERT 들여다보기", "A look inside a Korean BERT"),
    "page_note": (
        "한국어 BERT가 글을 어떻게 읽고 무엇을 답하는지 직접 시험해 보세요. "
        "적은 글은 이 서버 밖으로 나가지 않고, 저장되지도 않습니다.",
        "Try how a Korean BERT reads a text and what it answers. "
        "What you write does not leave this server, and is not kept.",
    ),
    "other_language": ("English", "한국어"),
    "quickstart_note": (
        "이 모델은 빠른 시작(quickstart)으로 만든 것이라 대한민국헌법과 법률안 30,688자만 "
        "읽었습니다. 그 밖의 한국어는 알지 못하니, 법조문과 비슷한 문장으로 시험해 보세요.",
        "This model is the quickstart's: it has read 30,688 characters of Korea's constitution and "
        "of bills, and knows no other Korean. Try it with sentences like those of laws.",
    ),
    "examples": ("보기", "Examples"),
    "more": ("자세히 정하기", "More settings"),
    "empty_answer": (
        "보기를 하나 고르거나, 글을 적고 단추를 눌러 보세요. 답이 여기에 나옵니다.",
        "Choose an example, or write a text and press the button. The answer comes here.",
    ),
    "done": ("답이 나왔습니다.", "The answer is there."),
    # What is refused
    "notice": ("알림", "Notice"),
    "sorry": (
        "요청을 처리하지 못했습니다. 입력한 것을 확인하고 다시 해 보세요.",
        "That did not work. Look at what you entered, and try again.",
    ),
    "too_long": (
        "글이 {length:,}자로 너무 깁니다. {most:,}자 이하로 줄여 주세요.",
        "The text has {length:,} characters, which is too long: {most:,} at most.",
    ),
    "too_long_for_model": (
        "이 모델이 읽기에는 너무 긴 글입니다. {longest}토큰 이내로 줄여 주세요.",
        "The text is too long for this model: {longest} tokens at most.",
    ),
    "empty_text": ("글이 비어 있습니다. 글을 적어 주세요.", "The text is empty: write one."),
    "unknown_words": (
        "모델의 어휘에 없어 읽지 못한 말: {words}",
        "Words that the model's vocabulary does not have: {words}",
    ),
    "busy": (
        "지금 기다리는 사람이 많습니다. 잠시 뒤에 다시 해 보세요.",
        "Many people are waiting right now. Try again in a moment.",
    ),
    "connection_lost": (
        "서버와 연결이 끊겼습니다. 잠시 뒤에 페이지를 새로 고쳐 주세요.",
        "The connection was lost. Reload the page in a moment.",
    ),
    # 빈칸 채우기
    "fill_mask": ("빈칸 채우기", "Fill the blank"),
    "fill_mask_note": (
        "알아맞힐 자리에 `[MASK]`라고 적으면, 거기에 올 말을 모델이 그럴듯한 것부터 답합니다. "
        "빈칸은 여럿이어도 됩니다.",
        "Write `[MASK]` where the model is to guess, and it answers with what may stand there, the "
        "likeliest first. There may be several blanks.",
    ),
    "text": ("글", "Text"),
    "unit": ("빈칸에 채울 것", "What fills a blank"),
    "unit_token": ("토큰 하나", "one token"),
    "unit_eojeol": ("온전한 어절", "a whole word"),
    "agree": ("조사를 맞추어 쓰기", "Make particles agree"),
    "agree_info": (
        "어절을 채울 때 은/는, 이/가, 을/를, 으로/로 따위를 앞말에 맞춥니다.",
        "With whole words: 은/는, 이/가, 을/를, 으로/로 take the form that fits.",
    ),
    "glued": ("[MASK]에 붙은 글자를 읽는 법", "How to read what is glued to [MASK]"),
    "glued_info": (
        "예를 들어 ‘[MASK]은’의 ‘은’입니다. 어절을 채울 때에는 늘 이어지는 조각입니다.",
        "As 은 in [MASK]은. With whole words it is always the rest of a word.",
    ),
    "glued_continuation": ("앞말에 이어지는 조각 (##은)", "the rest of a word (##은)"),
    "glued_word": ("새 낱말 (은)", "a new word (은)"),
    "fill_mask_button": ("빈칸 채우기", "Fill"),
    "blank": ("빈칸 {number}", "Blank {number}"),
    "blank_one": ("빈칸에 올 말", "What may stand there"),
    "score_note": (
        "어절의 점수는 순서를 정할 뿐 확률이 아니어서 막대로만 보입니다.",
        "Scores of whole words order them and are no probabilities: only bars are shown.",
    ),
    "piece_note": (
        "`##`로 시작하는 답은 앞말에 붙는 조각입니다.",
        "What begins with `##` is glued to the word before.",
    ),
    "together": ("빈칸을 함께 채우면", "All blanks together"),
    "looked_at": ("이 빈칸이 본 말", "What this blank looked at"),
    "looked_at_note": (
        "모든 층과 헤드의 어텐션을 평균했습니다. 나머지 {rest:.0f}%는 빈칸이 든 어절과 "
        "[CLS], [SEP] 따위를 보았습니다.",
        "The attention of all layers and heads, in the mean. The other {rest:.0f}% went to "
        "the blank's own word, [CLS], [SEP] and the like.",
    ),
    "no_blank": (
        "글에 빈칸이 없습니다. 알아맞힐 자리에 [MASK]라고 적어 주세요.",
        "There is no blank: write [MASK] where the model is to guess.",
    ),
    "too_many_blanks": (
        "빈칸이 {count:,}개로 너무 많습니다. {most}개 이하로 줄여 주세요.",
        "There are {count:,} blanks: {most} at most.",
    ),
    "glued_blank": (
        "어절은 띄어 쓴 빈칸에만 채웁니다. [MASK] 앞을 띄우거나 토큰으로 채워 주세요.",
        "Whole words go only where [MASK] stands apart: put a space before it, or fill a token.",
    ),
    "no_mlm": (
        "지금 켜진 모델은 빈칸을 채우도록 배우지 않았습니다. 사전 학습한 모델을 "
        "`--model`로 주면 이 탭이 열립니다.",
        "No model here has learnt to fill blanks. Pass a pretrained one with `--model`.",
    ),
    # 다음 문장
    "next_sentence": ("다음 문장", "Next sentence"),
    "next_sentence_note": (
        "둘째 글이 첫째 글 바로 뒤에 이어지는지, 모델이 확률로 답합니다. 둘째 글을 여러 줄 적으면 "
        "한 줄을 한 문장으로 보고, 잘 이어지는 것부터 순위를 매깁니다.",
        "How likely is it that the second text follows the first? With several lines, each is a "
        "candidate, and they are ranked.",
    ),
    "first_text": ("첫째 글", "First text"),
    "candidates": ("이어질지 볼 글 (한 줄에 하나)", "What may follow (one a line)"),
    "next_sentence_button": ("이어지는지 보기", "Does it follow?"),
    "is_next": ("이어짐", "follows"),
    "is_random": ("이어지지 않음", "does not follow"),
    "ranked": ("이어질 확률", "How likely each follows"),
    "ranked_note": (
        "한 문장씩 따로 본 확률이라 모두 더해도 100%가 되지 않습니다.",
        "Each is judged alone: the probabilities do not add up to 100%.",
    ),
    "empty_pair": (
        "비어 있는 글이 있습니다. 두 글을 모두 적어 주세요.",
        "One of the texts is empty: write both.",
    ),
    "too_many_lines": (
        "{count:,}줄은 너무 많습니다. {most}줄 이하로 줄여 주세요.",
        "{count:,} lines are too many: {most} at most.",
    ),
    "no_nsp": (
        "지금 켜진 모델은 다음 문장을 맞히도록 배우지 않았습니다. 다음 문장 맞히기까지 사전 학습한 "
        "모델을 `--model`로 주면 이 탭이 열립니다.",
        "No model here has learnt to judge the next sentence. Pass one that was pretrained with it "
        "with `--model`.",
    ),
    # 어텐션 보기
    "attention": ("어텐션 보기", "Attention"),
    "attention_note": (
        "BERT의 층마다, 헤드마다 한 낱말이 어느 낱말을 얼마나 보는지 그립니다. 글을 둘 적으면 두 "
        "글 사이도 보입니다.",
        "How much each word looks at each other, in every layer and head of BERT. With two texts, "
        "also between them.",
    ),
    "second_text": ("둘째 글 (없어도 됩니다)", "Second text (may be empty)"),
    "attention_button": ("어텐션 보기", "Show the attention"),
    # 뉴런 보기
    "neurons": ("뉴런 보기", "Neuron view"),
    "neurons_note": (
        "헤드 하나가 낱말 하나에서 하는 계산을 처음부터 끝까지 따라갑니다. 쿼리와 키를 곱해 "
        "더하고, 헤드 크기의 제곱근으로 나눈 뒤, 소프트맥스를 거쳐 밸류를 섞습니다.",
        "All that one head does at one token, step by step: query times key, added up, divided by "
        "the root of the head size, softmax, and the values mixed.",
    ),
    "token": ("보는 토큰", "The token that looks"),
    "layer": ("층 (0부터)", "Layer (from 0)"),
    "head": ("헤드 (0부터)", "Head (from 0)"),
    "neurons_button": ("계산 따라가기", "Follow it"),
    "no_neurons": (
        "뉴런 보기는 BERT의 층을 따라갑니다. 지금 켜진 모델의 인코더는 다른 구조입니다.",
        "The neuron view follows BERT's layers; the encoder of this model is built otherwise.",
    ),
    # 토큰 들여다보기
    "tokens": ("토큰 들여다보기", "Tokens"),
    "tokens_note": (
        "글이 모델에 들어가기까지를 봅니다. 어휘에 따라 글이 어떻게 쪼개지는지, 사전 학습이 어느 "
        "자리를 가리는지, 임베딩 셋이 어떻게 더해지는지.",
        "How a text gets into the model: the pieces it is cut into, what pretraining hides of it, "
        "and the three embeddings that are added.",
    ),
    "tokens_pair_info": (
        "적으면 맨 아래 그림에서 첫째 글 뒤에 이어집니다.",
        "It follows the first text in the last picture.",
    ),
    "tokens_button": ("들여다보기", "Look inside"),
    "pieces_count": (
        "토큰 {count}개 · 어휘 {size:,}개 · 모르는 말 {unknown}개",
        "{count} tokens · vocabulary of {size:,} · {unknown} unknown",
    ),
    "own_vocabulary": ("모델의 어휘", "The model's vocabulary"),
    "other_vocabulary": ("다른 어휘", "Another vocabulary"),
    "letters_vocabulary": ("글자만 든 어휘", "Single characters only"),
    "letters_note": (
        "견주어 보려고 모델의 어휘에서 한 글자짜리만 남긴 것입니다. 다른 어휘와 견주려면 "
        "`--vocabulary`로 주세요.",
        "For comparison: what is left of the model's vocabulary with tokens of one character only. "
        "Pass another with `--vocabulary`.",
    ),
    "morphemes": ("형태소 (Mecab)", "Morphemes (Mecab)"),
    "morphemes_note": (
        "형태소 분석기가 나눈 것입니다. BERT의 토큰은 통계로 찾은 조각이라 형태소와 다를 수 "
        "있습니다.",
        "As a morphological analyser has it. BERT's tokens come from statistics, and may differ.",
    ),
    "no_morphemes": (
        '형태소까지 보려면 kbert를 내려받은 폴더에서 `pip install -e ".[morphemes]"`를 실행하고 '
        "다시 켜세요.",
        'To see morphemes too, run `pip install -e ".[morphemes]"` in a clone of kbert and start '
        "again.",
    ),
    "masking": ("사전 학습이 가리는 자리", "What pretraining hides"),
    "mask_unit": ("한꺼번에 가리는 단위", "What is hidden as a whole"),
    "mask_token": ("토큰", "token"),
    "mask_eojeol": ("어절", "word"),
    "mask_morpheme": ("형태소", "morpheme"),
    "epoch": ("에폭 (바꾸면 다른 자리를 가립니다)", "Epoch (another hides other places)"),
    "inputs": ("모델에 들어가는 것", "What goes into the model"),
    # 낱말의 벡터
    "contexts": ("낱말의 벡터", "Word vectors"),
    "contexts_note": (
        "BERT는 낱말마다 벡터를 만드는데, 같은 낱말이라도 문장이 다르면 벡터가 달라집니다. 층을 "
        "지날수록 어떻게 달라지는지도 볼 수 있습니다.",
        "BERT makes a vector for each word, and in another sentence the same word has another one. "
        "See also how they change from layer to layer.",
    ),
    "contextual": ("문장마다 다른 벡터", "In each sentence"),
    "through_layers": ("층을 지나며", "Through the layers"),
    "word": ("낱말", "Word"),
    "word_sentences": ("그 낱말이 든 문장 (한 줄에 하나)", "Sentences with it (one a line)"),
    "after_layer": ("몇 층을 지난 벡터인가 (0은 임베딩)", "After which layer (0: embeddings)"),
    "layers_button": ("층 따라가기", "Follow the layers"),
    "too_few_lines": (
        "견주려면 문장이 둘 이상 있어야 합니다. 한 줄에 하나씩 적어 주세요.",
        "There is nothing to compare: write two sentences or more, one a line.",
    ),
    "word_not_there": (
        "{number}번째 문장에 그 낱말이 없습니다.",
        "Sentence {number} does not have the word.",
    ),
    # 답의 까닭
    "reasons": ("어떤 낱말이 이 답에 영향을 주었나", "Which words made this answer"),
    "reasons_note": (
        "낱말마다 이 답을 얼마나 거들었는지 적분 그래디언트로 잽니다. 몇\u00a0초 걸립니다.",
        "What each word did for the answer, by integrated gradients. It takes some seconds.",
    ),
    # 문장 유사도와 검색
    "sentences": ("문장 유사도와 검색", "Similarity and search"),
    "sentences_note": (
        "문장을 벡터로 바꾸어 뜻이 얼마나 가까운지 봅니다.",
        "Sentences become vectors; near in direction is near in meaning.",
    ),
    "pretrained_vectors": (
        "지금은 사전 학습만 한 모델의 평균 벡터를 씁니다. 문장 벡터를 배운 모델을 `--model`로 주면 "
        "훨씬 정확해집니다.",
        "These are mean vectors of a model that was only pretrained. Pass one that has learnt "
        "sentence vectors with `--model`, and it will be far better.",
    ),
    "similarity": ("유사도", "Similarity"),
    "search": ("검색", "Search"),
    "sentence": ("기준 문장", "A sentence"),
    "others": ("견줄 문장 (한 줄에 하나)", "Beside these (one a line)"),
    "similarity_button": ("견주어 보기", "Compare"),
    "cosine_note": (
        "수는 코사인 유사도입니다. 1이면 방향이 같습니다.",
        "The numbers are cosine similarities: 1 is the same direction.",
    ),
    "common_note": (
        "사전 학습만 한 모델에서는 어떤 두 문장이든 벡터가 비슷하므로, 여러 문장의 평균 벡터를 뺀 "
        "뒤에 쟀습니다. 그래서 `encoder.similarity`의 값과는 다릅니다.",
        "Any two vectors of a model that was only pretrained are alike, so the mean of many "
        "sentences is taken away first: `encoder.similarity` gives other numbers.",
    ),
    "faq": ("질문과 답 (CSV)", "Questions and answers (CSV)"),
    "faq_info": (
        "한 줄에 ‘질문,답’ 하나씩입니다. 자기 것을 붙여 넣거나 아래에서 파일을 고르세요. 파일은 "
        "브라우저가 읽을 뿐, 올라가지 않습니다.",
        "One question,answer a line. Paste your own or choose a file below: your browser reads it, "
        "and it is not uploaded.",
    ),
    "choose_file": ("CSV 파일 고르기", "Choose a CSV file"),
    "bad_file": (
        "읽을 수 없는 파일입니다. 60 KB 이하의 CSV 파일을 골라 주세요.",
        "This file cannot be read: choose a CSV file of 60 KB at most.",
    ),
    "query": ("물어볼 말", "What do you want to know?"),
    "search_button": ("찾기", "Search"),
    "bad_csv": (
        "CSV를 읽지 못했습니다. 한 줄에 ‘질문,답’을 하나씩 적어 주세요.",
        "The CSV cannot be read: write one question,answer a line.",
    ),
    # 분류·개체명·질의응답
    "fine_tuned": ("분류·개체명·질의응답", "Fine-tuned models"),
    "fine_tuned_note": (
        "사전 학습한 BERT에 작은 층 하나를 얹어 미세 조정한 모델들입니다.",
        "BERTs with one small layer on top, fine-tuned for a task.",
    ),
    "classify": ("분류", "Labels"),
    "classify_button": ("분류하기", "Classify"),
    "tag": ("개체명", "Names"),
    "tag_button": ("개체명 찾기", "Find names"),
    "answer": ("질의응답", "Answers"),
    "answer_button": ("답 찾기", "Find the answer"),
    "context": ("읽을 글", "Text to read"),
    "question": ("질문", "Question"),
    "no_entities": ("찾은 개체명이 없습니다.", "No names were found."),
    "score": ("점수", "score"),
    "pair_text": ("둘째 글 (두 글을 보는 모델만)", "Second text (of models of pairs only)"),
    "no_head": (
        "아직 이 일을 배운 모델이 없습니다. 아래 첫 줄로 미세 조정하고, 그 모델을 둘째 줄처럼 "
        "함께 주면 이 탭이 열립니다.",
        "No model here has learnt this yet. Fine-tune one with the first line below, and pass it "
        "as in the second.",
    ),
    "no_classify": (
        "`docs/reviews.csv`는 리뷰 40개짜리 보기입니다. 잘 맞히게 하려면 자기 CSV로 수천 줄쯤 "
        "학습시키세요.",
        "`docs/reviews.csv` is an example of 40 reviews. For good answers train with a CSV of your "
        "own, of some thousand rows.",
    ),
    "no_tag": (
        "KLUE의 개체명 데이터를 `klue/` 폴더에 내려받아 씁니다.",
        "It takes KLUE's names, downloaded to the folder `klue/`.",
    ),
    "no_answer": (
        "KLUE의 질의응답 데이터를 `klue/` 폴더에 내려받아 씁니다.",
        "It takes KLUE's questions, downloaded to the folder `klue/`.",
    ),
    # 개체의 이름
    "entity_PS": ("사람", "person"),
    "entity_LC": ("장소", "place"),
    "entity_OG": ("기관", "organization"),
    "entity_DT": ("날짜", "date"),
    "entity_TI": ("시간", "time"),
    "entity_QT": ("수량", "quantity"),
}


def say(key: str, language: Language, **values: object) -> str:
    """A text in a language, with its values filled in."""
    text = TEXTS[key][LANGUAGES.index(language)]
    return text.format(**values) if values else text
