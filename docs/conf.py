"""Sphinx builds the documentation with this: `make docs`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from xsleep import __version__ as release  # noqa: E402

project = "xsleep"
author = "the authors of xsleep"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs.extensions.generated",
    "docs.extensions.drawn",
    "docs.extensions.mathml",
]
exclude_patterns = ["_build"]
suppress_warnings = ["myst.xref_ambiguous"]
default_role = "code"  # of single backticks in docstrings

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
myst_update_mathjax = False
html_math_renderer = "mathml"

autodoc_member_order = "bysource"
autodoc_type_aliases = {name: name for name in ("Doubles", "Floats", "Integers", "Singles")}
autodoc_typehints_format = "short"
# Packages that take seconds to load, and of which signatures need the names alone.
autodoc_mock_imports = ["mne", "torch", "triton", "yasa"]
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"xsleep {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


def setup(app):
    """Arrays in signatures have the names of `xsleep.core.arrays`, not what these stand for."""

    def named(app, what, name, item, options, signature, returned):
        def short(text):
            text = re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)
            return text.replace("ndarray[tuple[Any, ...], dtype[bool]]", "NDArray[bool]")

        return signature and short(signature), returned and short(returned)

    app.connect("autodoc-process-signature", named)
