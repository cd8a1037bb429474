"""What the aggregator computes: updates folded by shard, the average, the server optimiser, the end of a round."""
