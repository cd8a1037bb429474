"""Aggregator: folds shards, averages updates, spreads class embeddings, and puts model versions."""
