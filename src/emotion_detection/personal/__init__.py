"""Teach it your face (experimental): a small head fitted to one person's features, and the lesson that records them.

What such a head is worth to simulated users is a study: `studies/personal_simulation`.
"""
