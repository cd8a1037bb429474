"""Data sets: identities → images as uint8 tensors."""
