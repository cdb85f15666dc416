"""Figures, one look: each function takes data and returns a figure, a file for each subject.

Here belongs drawing. A figure carries in `.values` what is plotted in it. Nothing is measured here, and no plot reads a
record: it is given what it draws. `style` has the look and the figure itself, `saving` writes the two files.
"""

from emotion_detection.plots.comparison import (
    ablations,
    accuracy_against_size,
    published_and_replay,
    robustness,
)
from emotion_detection.plots.data import average_faces, class_counts, face_grid, ferplus_agreement, leak_worth
from emotion_detection.plots.evaluation import (
    accuracy_by_coverage,
    captioned_faces,
    confusion_matrix,
    f1_by_emotion,
    first_answer,
    recall_by_emotion,
    reliability,
    shares_by_group,
)
from emotion_detection.plots.explanation import class_heat, explained_face
from emotion_detection.plots.personal import personal_changes
from emotion_detection.plots.speed import cost_growth, speed_ratios
from emotion_detection.plots.style import NAMES, SERIES_COLORS, SPLIT_COLORS, STYLE, Figure, styled
from emotion_detection.plots.timeline import timeline
from emotion_detection.plots.training import f1_differences, learning_curves, rounds, three_cuts
