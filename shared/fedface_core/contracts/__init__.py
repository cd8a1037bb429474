"""What services say to each other: tasks and queues, HTTP bodies, object keys, the shape of artifacts."""
