"""How tensors are written down: safetensors with metadata, model weights, class embeddings."""
