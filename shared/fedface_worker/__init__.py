"""What client, aggregator and evaluator share: workbench, model versions, checked artifacts, and the start of a worker."""
