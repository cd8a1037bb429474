"""Scoring a model file, by a published protocol or on all pairs of a data set."""
