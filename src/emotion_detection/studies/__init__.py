"""Studies: one file a question, each returning DataFrames that a notebook shows and plots.

Here belongs what answers one question with the pieces of the other packages, and the record that it leaves in
`data/results/`. General scores are in `evaluation/`, drawing in `plots/`.
"""
