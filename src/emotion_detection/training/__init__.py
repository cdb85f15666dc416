"""Recipes, and training them with Keras: the network, its targets, augmentation, the loop, folds, sweeps.

Here, and in `export/`, TensorFlow and Keras are imported; nowhere else. How a trained network is run on pictures is in
`inference/`, which knows nothing of this package.
"""
