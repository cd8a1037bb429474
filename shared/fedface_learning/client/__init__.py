"""What a client computes: its mean embedding at enrolment, its local training, and the bytes of its update."""
