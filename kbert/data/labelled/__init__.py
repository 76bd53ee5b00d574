"""Labelled text -> batches: examples as plain lists, labels beside pieces, rows by length."""
