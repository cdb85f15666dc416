"""Studies: one file a question, each returning DataFrames that a notebook shows and plots.

Here belongs what answers one question with the pieces of the other packages, and the record that it leaves in
`data/results/`. General scores are in `evaluation/`, drawing in `plots/`.
"""

import importlib
import pkgutil


def __getattr__(name: str):
    if name in __dir__():
        return importlib.import_module(f"{__name__}.{name}")  # so that `studies.robustness` needs no import of its own
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}. It offers {', '.join(__dir__())}.")


def __dir__() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]
