"""Which texts of a figure a reader sees, and whether they are cut or lie over each other."""

import itertools

from emotion_detection.plots import saving, style


def visible_texts(figure):
    """All texts that a figure shows, with their extents in pixels; tick labels outside the limits are not shown."""
    figure.draw_without_rendering()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        texts += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        texts += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            places = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
            texts += [label for place, label in places if low <= place <= high and label.get_visible()]
    return [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text().strip()]


def cut_and_overlapping(figure, *, may_overlap=()):
    """Texts of a figure that reach beyond its edge, and pairs of texts that lie over each other."""
    texts, picture = visible_texts(figure), figure.bbox.padded(1)
    cut = [text for text, box in texts if not (picture.contains(*box.min) and picture.contains(*box.max))]
    pairs = itertools.combinations([(text, box.padded(-1)) for text, box in texts if text not in may_overlap], 2)
    return cut, [(text, other) for (text, box), (other, its) in pairs if box.overlaps(its)]


def assert_well_drawn(draw, *, texts=2, may_overlap=()):
    """A plot has the same bytes each time, values to save, and more than so many texts, none cut or over another."""
    figure = draw()
    assert style.png_bytes(figure, dpi=50) == style.png_bytes(draw(), dpi=50)
    assert saving.plain(figure.values)
    assert len(visible_texts(figure)) > texts
    assert cut_and_overlapping(figure, may_overlap=may_overlap) == ([], [])
