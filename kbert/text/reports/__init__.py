"""What a vocabulary does to a text, before a model is trained on it.

vocabulary_report.py  how a text is cut, beside other vocabularies
robustness.py         how it is cut where it is written otherwise
"""
