"""Our own renderer of parametric faces: exact identity under varying pose, expression, light, surroundings and camera."""

from fedface_core.learning.data.synthetic.dataset import SyntheticDataset

__all__ = ["SyntheticDataset"]
