"""The documentation site: `make docs` builds it into docs/_build/html."""

import sys
from pathlib import Path

import zeroframe

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "zeroframe"
author = "The zeroframe developers"
copyright = author  # noqa: A001 -- Sphinx calls it so
version = release = zeroframe.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "generated_pages",  # in docs/_ext: commands, API, cameras, changelog and gallery are made from the code
]
exclude_patterns = ["_build", "_ext", "**.ipynb_checkpoints", "Thumbs.db"]
# the first is that of the pages that autosummary makes
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}

# a name in a docstring becomes a link where there is such a name; references in pages have to be true
default_role = "autolink"
nitpicky = True
#: Names that are no public names of ours have no page here.
nitpick_ignore_regex = [("py:.*", rf"(?!zeroframe\.({'|'.join(zeroframe.__all__)})$).*")]
autodoc_typehints = "none"  # docstrings say types, with shapes and units
autodoc_member_order = "bysource"
autosummary_generate = True
autosummary_imported_members = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "html_image"]
myst_heading_anchors = 3

# notebooks are stored with what they show; `make notebooks` runs them anew, and a test holds both to the same
nb_execution_mode = "off"
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = "zeroframe"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "zeroframe"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": True,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "changelog": []}
