"""Teach it your face (experimental): a small head fitted to one person's features, and the lesson that records them.

Here belongs what learns from one face: `lesson` asks and records, `fitting` and `head` fit, save and load, `panel` is
the widget. It knows nothing of the live cell, which shows the panel. What such a head is worth to simulated users is a
study: `studies/personal_simulation`.
"""
