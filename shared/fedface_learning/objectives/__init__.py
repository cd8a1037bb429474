"""The objectives that are minimised: the losses of clients and of pre-training, and spreadout."""
