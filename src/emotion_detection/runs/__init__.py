"""Recorded runs and shipped networks: where they lie, how they are read, which one a name means.

Here belongs what reads and writes `data/results/<run>/` and the cards of `data/models/`, and the Ray cluster that jobs
are run on. It trains nothing and scores nothing: see `training/` and `evaluation/`.
"""
