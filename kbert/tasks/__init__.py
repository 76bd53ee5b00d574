"""Korean tasks: one parser a format, one table of sets, the official metrics and honest ones.

read.py              `read_task`: an official set, by its name, as Examples
sets.py              the sets that it knows, by name: one entry a set
task_set.py          what a set is: files, labels, metric, official settings
label_names.py       the names of labels, in the order in which the official code numbers them
files.py             which file of a folder it is, and its text
columns.py           a parser: tables (TSV) and lists of JSON objects
entity_files.py      a parser: KLUE-NER's, a line for each character
relation_files.py    a parser: KLUE-RE's, a sentence with two entities
dependency_files.py  a parser: KLUE-DP's and CoNLL-U, words with heads and relations
answer_files.py      a parser: SQuAD's format, in which KorQuAD and KLUE-MRC come
dialogue_files.py    a parser: Wizard of Seoul's dialogues
score.py             predictions -> scores: one way for whoever asks
published.py         scores that others published, with split and source
metrics/             gold and predicted labels -> a dict of scores
"""
