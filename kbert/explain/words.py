"""What the pictures say, in Korean and in English."""

from typing import Literal, get_args

from kbert.errors import KbertError

Language = Literal["ko", "en"]
WORDS: dict[str, dict[str, str]] = {
    "ko": {
        "inputs": "모델에 들어가는 것",
        "inputs_note": "토큰마다 세 벡터를 더합니다. 어떤 토큰인지, 몇 번째 글에 "
        "속하는지(세그먼트), 몇 번째 자리인지(위치)를 나타내는 벡터입니다. 칸 하나가 벡터의 수 "
        "하나이고, 파랑은 양수, 주황은 음수, 진할수록 큰 값입니다.",
        "token": "토큰",
        "segment": "세그먼트",
        "position": "위치",
        "sum": "합",
        "masking": "사전 학습이 글을 가리는 방법",
        "masking_note": "모델은 색칠한 자리에 원래 있던 토큰을 맞혀야 합니다. 그중 80%는 "
        "[MASK]로, 10%는 아무 토큰으로 바뀌고, 10%는 그대로 보입니다. 아래 작은 글씨가 원래 "
        "토큰입니다.",
        "mask": "[MASK]로 가림",
        "random": "다른 토큰으로 바꿈",
        "kept": "그대로 두고 맞히기",
        "seen": "맞히지 않는 토큰",
        "neurons": "뉴런 보기: 어텐션 가중치가 나오기까지",
        "neurons_note": "한 토큰의 쿼리 q를 모든 토큰의 키 k와 곱해 더하고(q·k), 헤드 크기의 "
        "제곱근으로 나눈 뒤 소프트맥스를 취하면 가중치가 됩니다. 가중치로 밸류 v를 섞은 것이 이 "
        "헤드의 결과입니다. 파랑은 양수, 주황은 음수입니다.",
        "where": "층 {layer}, 헤드 {head} (0부터 셉니다)",
        "weighted": "가중치 × v",
        "sums": "합쳐서 층의 출력으로",
        "context": "가중치 × v의 합 (이 헤드의 결과)",
        "projected": "출력 투영을 거친 이 헤드의 몫",
        "others": "다른 헤드들의 몫",
        "bias": "편향",
        "output": "모두 더한 어텐션 출력",
        "contextual": "문장마다 다른 ‘{word}’",
        "contextual_note": "같은 낱말이라도 문장이 다르면 벡터가 달라집니다.",
        "cosines": "코사인 유사도",
        "plane": "평면에 옮긴 벡터",
        "plane_note": "벡터들이 가장 크게 달라지는 두 방향(주성분)에 옮겼습니다. 가까울수록 "
        "비슷합니다.",
        "layers": "층을 지나며 달라지는 벡터",
        "layers_note": "수는 코사인 유사도입니다. 1이면 방향이 같고, 작을수록 많이 달라졌습니다.",
        "embeddings": "임베딩",
        "layer": "{layer}층",
        "to_first": "처음(임베딩)과 견주어",
        "to_before": "바로 앞 층과 견주어",
        "alike": "글 안의 토큰끼리 얼마나 비슷한가 (평균)",
        "attributions": "어떤 낱말이 답에 영향을 주었나",
        "attributions_note": "모든 낱말을 [MASK]로 가린 글과 견주어, 각 낱말이 답의 "
        "점수(로짓)를 얼마나 올렸는지(파랑) 내렸는지(주황)를 적분 그래디언트로 나눈 것입니다.",
        "answer": "답:",
        "attributions_sum": "모두 더하면 {sum:+.2f}입니다. 답의 로짓은 {logit:.2f}, 낱말을 "
        "모두 가리면 {baseline:.2f}입니다.",
        "attention": "낱말이 보는 낱말",
        "attention_note": "왼쪽 낱말이 오른쪽 낱말을 보는 정도입니다. 진할수록 많이 봅니다. "
        "낱말에 마우스를 올리거나 누르면 그 낱말이 보는 것만 남습니다.",
        "layer_label": "층",
        "head_label": "헤드",
        "all": "전체 평균",
        "eojeol": "어절",
        "piece": "토큰",
        "heads": "모든 층과 헤드",
        "heads_note": "작은 그림 하나가 헤드 하나입니다. 가로줄이 보는 토큰, 세로줄이 그 "
        "토큰이 보는 대상입니다. 누르면 그 헤드의 선이 나옵니다. 위에서부터 0층, 왼쪽부터 0번 "
        "헤드입니다.",
        "quarters": "두 글 사이",
        "quarters_note": "한 글의 토큰이 어느 글에 몇 %를 쓰는지의 평균입니다.",
        "first": "첫째 글",
        "second": "둘째 글",
        "cut": "글이 길어 앞의 토큰 {count}개만 그렸습니다.",
    },
    "en": {
        "inputs": "What goes into the model",
        "inputs_note": "For each token three vectors are added: which token it is, which text "
        "it is in (segment), and where it stands (position). A cell is a number of the vector: "
        "blue above 0, orange below, the stronger the larger.",
        "token": "token",
        "segment": "segment",
        "position": "position",
        "sum": "sum",
        "masking": "How pretraining hides words",
        "masking_note": "The model has to guess what stood in the coloured places. 80% of them "
        "are shown as [MASK], 10% as some other token, and 10% as they are. Below, in small "
        "type, what was there.",
        "mask": "shown as [MASK]",
        "random": "shown as another token",
        "kept": "shown as it is, and asked",
        "seen": "not asked",
        "neurons": "Neuron view: how a weight comes about",
        "neurons_note": "The query q of one token is multiplied with the key k of every token "
        "and added up (q·k), divided by the root of the head size, and put through softmax: "
        "these are the weights. They mix the values v to what the head gives. Blue is above 0, "
        "orange below.",
        "where": "layer {layer}, head {head} (counted from 0)",
        "weighted": "weight × v",
        "sums": "From the head to the layer's output",
        "context": "sum of weight × v (what the head gives)",
        "projected": "its share through the output projection",
        "others": "the shares of the other heads",
        "bias": "bias",
        "output": "all of it: the attention output",
        "contextual": "“{word}” in each sentence",
        "contextual_note": "The same word has another vector in another sentence.",
        "cosines": "Cosine similarity",
        "plane": "The vectors in a plane",
        "plane_note": "The two directions in which they differ most (principal components). "
        "Near means alike.",
        "layers": "Vectors through the layers",
        "layers_note": "Cosine similarities: 1 is the same direction; the smaller, the more "
        "has changed.",
        "embeddings": "embeddings",
        "layer": "layer {layer}",
        "to_first": "Beside the embeddings",
        "to_before": "Beside the layer before",
        "alike": "How alike the tokens of the text are (mean)",
        "attributions": "Which words made the answer",
        "attributions_note": "How much each word raised (blue) or lowered (orange) the "
        "answer's score (logit), against a text with every word behind [MASK], by integrated "
        "gradients.",
        "answer": "Answer:",
        "attributions_sum": "Together {sum:+.2f}. The answer's logit is {logit:.2f}, and with "
        "all words hidden {baseline:.2f}.",
        "attention": "Which words a word looks at",
        "attention_note": "How much a word on the left takes from one on the right: the "
        "stronger, the more. Point at a word or click it, and only what it looks at is left.",
        "layer_label": "Layer",
        "head_label": "Head",
        "all": "mean of all",
        "eojeol": "words",
        "piece": "tokens",
        "heads": "Every layer and head",
        "heads_note": "Each small picture is a head: a row is the token that looks, a column "
        "what is looked at. Click one to see its lines. Layer 0 is on top, head 0 on the left.",
        "quarters": "Between the two texts",
        "quarters_note": "Which share a text's tokens give to each text, in the mean.",
        "first": "first text",
        "second": "second text",
        "cut": "The text is long: its first {count} tokens are drawn.",
    },
}


def checked(language: str) -> Language:
    """The language, if it is one of the two.

    Raises:
        KbertError: if it is none.
    """
    for known in get_args(Language):
        if language == known:
            return known
    raise KbertError(f"language is one of {', '.join(get_args(Language))}, not {language!r:.40}")
