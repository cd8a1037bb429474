"""The learning core: networks, data sets, and the steps of FedFace as pure functions of tensors. Imports no port."""
