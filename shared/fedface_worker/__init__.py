"""What a worker that computes needs of both: ports and settings from the core, model versions and photographs as tensors."""
