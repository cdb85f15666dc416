"""Documents that hold recorded numbers, made from templates: README's results and the shipped network's model card.

The templates, in `templates/`, are prose; the numbers in them come from `data/results/` and `data/models/`.
"""

from pathlib import Path

import jinja2

from emotion_detection import files
from emotion_detection.evaluation import formatting
from emotion_detection.reporting import model_card, readme
from emotion_detection.runs import registry


def render(template: str, **values) -> str:
    """Return a template filled in.

    Args:
        template: the name of a file in `templates/`.
        values: what it names; a name without a value is an error. Numbers are written by the filters `percent`,
            `points`, `number` and `duration`.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("emotion_detection.reporting"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    filters = (formatting.percent, formatting.points, formatting.number, formatting.duration)
    environment.filters |= {each.__name__: each for each in filters}
    return environment.get_template(template).render(**values)


def rendered() -> dict[Path, str]:
    """Return path → text of each document, as it should read."""
    results = render("results.md.j2", **readme.values())
    card = render("model_card.md.j2", **model_card.values())
    return {readme.path(): readme.with_results(results), model_card.path(): card}


def write() -> list[Path]:
    """Rewrite the documents; return the paths that changed. DataError where output goes elsewhere."""
    registry.check_is_ours("README")
    changed = []
    for path, text in rendered().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            files.write_text(path, text)
            changed.append(path)
    return changed
