"""Aggregator: folds shards, averages, spreads class embeddings, puts model versions."""
