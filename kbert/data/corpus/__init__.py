"""Files and folders -> documents: lists of sentences, or of paragraphs.

corpus.py             text files, and which reader reads which file
json_corpora.py       모두의 말뭉치 and AI Hub
tables.py             Parquet, and what Hugging Face's `datasets` saved
konlpy_corpora.py     the offline default: KoNLPy's constitution and bills, mended into documents
cleaning.py           lines that teach a model nothing are left out
duplicates.py         what stood before, word for word, is left out
"""
