"""Export of a trained model to ONNX: the network, what is checked before it is written, and 8 bits."""
