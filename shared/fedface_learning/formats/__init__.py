"""How tensors are stored: safetensors objects with metadata, class embeddings, and the flat sum of a shard."""
