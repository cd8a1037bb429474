"""The maths of FedFace: networks, data sets, and the steps of a run as functions of tensors. It needs the domain only."""
