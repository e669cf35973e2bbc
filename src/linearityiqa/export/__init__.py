"""Export of a trained model to ONNX: the network, the checks before it is written, and 8 bits."""
