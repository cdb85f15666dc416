"""The shipped network at work, on LiteRT: pictures, streams and recordings become emotions.

Here belongs what runs without TensorFlow: the classifier, finding and following faces, tables of answers, maps of
evidence. The notebook widget that shows a stream is in `live/`.
"""
