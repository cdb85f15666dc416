"""Where the project runs without being installed: Binder and Colab, as README tells it. One place knows the address.

The repository's address is `repository-code` in CITATION.cff. Without it README tells the way, and has no links.
"""

import re
import tomllib

from emotion_detection import paths

COLAB_ADDS = ("ai-edge-litert", "anywidget", "ipywidgets")
"""What the live cell needs and Colab lacks, or has in an earlier version; nothing of it touches Colab's TensorFlow."""

COLAB_HAS = ("numpy", "opencv-python-headless", "pillow", "platformdirs", "tqdm")
"""What the live cell takes as Colab has it (OpenCV under another name)."""

START = "notebooks/00_check_setup.ipynb"
PLACEHOLDER = "<repository>"


def repository() -> str | None:
    """Return the repository's address, from CITATION.cff, or None."""
    text = (paths.project_root() / "CITATION.cff").read_text(encoding="utf-8")
    found = re.search(r'^repository-code: *"?(https://[^"\s]+?)/?"?$', text, re.MULTILINE)
    return found[1] if found else None


def colab_cell(address: str | None = None) -> str:
    """Return the cell that makes the live cell run in Colab."""
    listed = tomllib.loads((paths.project_root() / "pyproject.toml").read_text(encoding="utf-8"))
    bounds = {re.match(r"[\w.-]+", each)[0]: each for each in listed["project"]["dependencies"]}
    packages = " ".join(f'"{bounds[name]}"' for name in COLAB_ADDS)
    return CELL.format(repository=address or PLACEHOLDER, packages=packages)


def binder_link(address: str | None = None) -> str:
    """Return where Binder builds the repository: a badge with a link for GitHub's, else how the link is made."""
    github = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", address or "")
    if github is None:
        return f"give the repository's address to mybinder.org, with the file `{START}`"
    link = f"https://mybinder.org/v2/gh/{github[1]}/HEAD?urlpath=lab/tree/{START}"
    return f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({link})"


def block() -> str:
    """Return README's paragraph on both, as Markdown."""
    address = repository()
    return BLOCK.format(binder=binder_link(address), cell=colab_cell(address))


CELL = """\
!git clone --depth 1 {repository} emotion-detection
%pip install -q {packages}
import sys
from google.colab import output

sys.path.insert(0, "emotion-detection/src")
output.enable_custom_widget_manager()
"""

BLOCK = """\
**Binder** (or any repo2docker): {binder}.
It builds from `environment.yml` alone, and the notebooks' kernel comes with the package. All notebooks show their
recorded runs; the camera is your browser's.

**Colab**: first run this cell, then `from emotion_detection.live import LiveView; LiveView()` in the next. It adds what
the live cell and `EmotionClassifier` need and leaves Colab's TensorFlow, numpy and pandas as they are:

```python
{cell}```

The notebooks and training need versions that Colab may not have, so they get an environment of their own there:
`!make -C emotion-detection setup`, then `!emotion-detection/.venv/bin/python -m emotion_detection …`.
"""
