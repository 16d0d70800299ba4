"""How Sphinx makes the site of these pages: ``make docs``."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for docs.site

# The gallery embeds texts with a model that is installed; no hub is asked.
os.environ["HF_HUB_OFFLINE"] = "1"

project = "salutary"
author = "The salutary developers"
copyright = author
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "docs.site",
]
exclude_patterns = ["_build", "gallery/**/*.py", "gallery/**/*.ipynb"]
nitpicky = True  # a name in a docstring that leads nowhere is a mistake
nitpick_ignore_regex = [(r"py:.*", r"(sklearn|numpy|copy)\..*")]  # nothing is fetched

default_role = "autolink"
smartquotes = False  # "--seed" has two dashes, and names are to be copied
autosummary_generate = True
autodoc_typehints = "none"  # "Parameters" says the types, and in words
numpydoc_show_class_members = False  # the template lists them
templates_path = ["_templates"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

html_theme = "pydata_sphinx_theme"
html_title = "salutary"
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["salutary.css"]
html_theme_options = {
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
ALONE = ("index", "get-started", "when-to-use", "commands")
html_sidebars = {page: [] for page in ALONE}  # they have no pages below
toc_object_entries_show_parents = "hide"

copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "nested_sections": False,
    "within_subsection_order": "FileNameSortKey",
    "subsection_order": [
        f"../examples/gallery/{n}" for n in ("tables", "texts", "images")
    ],
    "backreferences_dir": "api/backreferences",
    "doc_module": ("salutary",),
    "download_all_examples": False,
    "write_computation_times": False,
    "min_reported_time": 3600,  # seconds say more of the machine than of the example
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
}
