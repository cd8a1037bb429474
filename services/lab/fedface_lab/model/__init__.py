"""`fedface model import` and `export`: published weights of other projects become models, and models ONNX graphs."""
