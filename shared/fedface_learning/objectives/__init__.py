"""What is minimised: the losses of clients and pre-training, and spreadout."""
