"""A renderer of parametric faces: one identity under varying pose, expression, light, surroundings and camera."""

from fedface_learning.data.synthetic.dataset import SyntheticDataset

__all__ = ["SyntheticDataset"]
