"""What is written from the records: executed notebooks, README's tables, the model card.

Here belongs writing documents. Numbers are computed in `evaluation/` and `studies/`.
"""
