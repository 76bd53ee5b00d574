"""The names of labels, in the order in which the official code numbers them.

Other orders are in circulation (the `klue` of Hugging Face's `datasets` numbers YNAT, NLI and NER
otherwise), so a number without its name says nothing: kbert goes by names.

Source: KLUE-benchmark/KLUE-baseline (the classes of its data loaders) and relation_list.json of
KLUE-RE; for the other sets the README or card of each.
"""

YNAT = "정치 경제 사회 생활문화 세계 IT과학 스포츠".split()
# topic_idx of the files that Dacon published; so does `datasets`.
YNAT_DACON = "IT과학 경제 사회 생활문화 세계 스포츠 정치".split()

NLI = "entailment contradiction neutral".split()

NER = "B-PS I-PS B-LC I-LC B-OG I-OG B-DT I-DT B-TI I-TI B-QT I-QT O".split()

NO_RELATION = "no_relation"
RELATIONS = f"""{NO_RELATION} org:dissolved org:founded org:place_of_headquarters
    org:alternate_names org:member_of org:members org:political/religious_affiliation org:product
    org:founded_by org:top_members/employees org:number_of_employees/members per:date_of_birth
    per:date_of_death per:place_of_birth per:place_of_death per:place_of_residence per:origin
    per:employee_of per:schools_attended per:alternate_names per:parents per:children per:siblings
    per:spouse per:other_family per:colleagues per:product per:religion per:title""".split()

# Of KLUE-DP: a phrase, and what it is to its head. The metric makes one of all from VP_CMP on.
DEPENDENCIES = """NP NP_AJT VP NP_SBJ VP_MOD NP_OBJ AP NP_CNJ NP_MOD VNP DP VP_AJT VNP_MOD NP_CMP
    VP_SBJ VP_CMP VP_OBJ VNP_CMP AP_MOD X_AJT VP_CNJ VNP_AJT IP X X_SBJ VNP_OBJ VNP_SBJ X_OBJ
    AP_AJT L X_MOD X_CNJ VNP_CNJ X_CMP AP_CMP AP_SBJ R NP_SVJ""".split()
# The parts of speech of KLUE-DP: Sejong's tags.
SEJONG = """NNG NNP NNB NP NR VV VA VX VCP VCN MMA MMD MMN MAG MAJ JC IC JKS JKC JKG JKO JKB JKV JKQ
    JX EP EF EC ETN ETM XPN XSN XSV XSA XR SF SP SS SE SO SL SH SW SN NA""".split()

# Universal Dependencies: the 17 parts of speech and 37 relations, and GSD's finer ones.
UPOS = """ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X""".split()
UD_RELATIONS = """acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det
    discourse dislocated expl fixed flat goeswith iobj list mark nmod nsubj nummod obj obl orphan
    parataxis punct reparandum root vocative xcomp""".split()
GSD_RELATIONS = [*UD_RELATIONS, "acl:relcl", "det:poss", "nsubj:pass"]

SENTIMENT = ["negative", "positive"]
TRUTH = ["False", "True"]
HATE = "none offensive hate".split()
QUESTION_PAIR = ["same", "different"]  # the file's 0 is the same
PAWS = ["different", "same"]

K_MHAS = """출신차별 외모차별 정치성향차별 혐오욕설 연령차별 성차별 인종차별 종교차별
    해당사항없음""".split()
KOTE = """불평/불만 환영/호의 감동/감탄 지긋지긋 고마움 슬픔 화남/분노 존경 기대감 우쭐댐/무시함
    안타까움/실망 비장함 의심/불신 뿌듯함 편안/쾌적 신기함/관심 아껴주는 부끄러움 공포/무서움 절망
    한심함 역겨움/징그러움 짜증 어이없음 없음 패배/자기혐오 귀찮음 힘듦/지침 즐거움/신남 깨달음
    죄책감 증오/혐오 흐뭇함(귀여움/예쁨) 당황/난처 경악 부담/안_내킴 서러움 재미없음 불쌍함/연민
    놀람 행복 불안/걱정 기쁨 안심/신뢰""".split()

INTENTIONS = [
    "fragment",
    "statement",
    "question",
    "command",
    "rhetorical question",
    "rhetorical command",
    "intonation-dependent utterance",
]
# ParaKQC: what kind of question or command.
ACTS = ["alternative question", "wh-question", "prohibition", "strong requirement"]
TOPICS = ["e-mail", "scheduling", "smart home", "weather"]
