"""From a picture to the network's input: reading pictures, finding faces, cropping them, 48×48 grey.

Here belongs whatever happens to a picture before a network sees it. What the network answers is in `inference/`; data
sets of faces are in `data/`.
"""
