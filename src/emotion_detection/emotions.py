"""The seven classes of FER2013, in its order: names, colours, and how the classes of FER+ map to them."""

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Class names; the index is FER2013's label."""

DISPLAY_NAMES = {name: name.capitalize() for name in EMOTIONS}

# Okabe and Ito's colour-blind-safe palette, yellow darkened so that it reads on white.
COLORS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#7B4FA3",
    "happy": "#E6A700",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#7A7A7A",
}
"""One colour per emotion (RGB hex), the same in every figure and in the live cell."""

FERPLUS_EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
"""The eight emotions of FER+, in the order of its columns (the columns "unknown" and "NF" follow)."""

FERPLUS_TO_FER2013 = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprise",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
}
"""FER+ name → FER2013 name; contempt has no counterpart."""
