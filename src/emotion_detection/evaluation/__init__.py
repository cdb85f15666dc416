"""Scores of recorded answers: accuracy, F1, intervals, paired tests, calibration, agreement with FER+.

Here belongs whatever needs only predictions and labels: no network, no pictures, no Keras. A comparison that answers
one question of a notebook is in `studies/`.
"""
