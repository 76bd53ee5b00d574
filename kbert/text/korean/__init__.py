"""What is to know of Korean text before any vocabulary.

normalize.py          NFC and BERT's cleaning: one form for a text
jamo.py               the letters of a syllable; a syllable that a vocabulary lacks, spelt
josa.py               particles, and which form of one a word takes
morphemes.py          Mecab, Kiwi, KoNLPy's taggers: text -> spans of morphemes
sentences.py          document -> sentences, by rule or by Kiwi
web.py                comments and messages, made plainer
"""
