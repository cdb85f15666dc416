"""Facial emotion recognition on FER2013: data, networks, honest scores, and a live cell for notebooks.

Importing this package costs milliseconds: no TensorFlow, no Keras, no plotting library is loaded until a module
that needs it is imported.
"""

__version__ = "0.1.0"
