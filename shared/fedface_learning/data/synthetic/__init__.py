"""Our own renderer of parametric faces: exact identity under varying pose, expression, light, surroundings and camera."""

from fedface_learning.data.synthetic.dataset import SyntheticDataset

__all__ = ["SyntheticDataset"]
