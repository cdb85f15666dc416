"""From a trained Keras network to files that run without Keras: LiteRT, ONNX, and what the repository ships.

Here belongs writing networks for other runtimes, and checking that they answer alike. Running them is in `inference/`.
"""
