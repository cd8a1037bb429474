"""What all FedFace services share, without torch: the domain, contracts, ports, adapters and the runtime."""
