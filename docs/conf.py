"""Settings of Sphinx for the site: python -m sphinx docs docs/out"""

import importlib.util
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "_ext"), str(ROOT / "tests"),
                str(ROOT / "tests" / "peers")]

# The tutorials save pictures in the folder in which they run: this copy.
shutil.copytree(ROOT / "examples", HERE / "examples", dirs_exist_ok=True)
shutil.copy(HERE / "_pages" / "tutorials.rst", HERE / "examples" / "GALLERY_HEADER.rst")

address = importlib.import_module("refsnn_site").ADDRESS
address = "/".join(address) if all(address) else "the repository of the site"
project, author, html_title = "refsnn", "refsnn contributors", "refsnn"
extensions = ["refsnn_site", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["out", "examples", "_pages"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
templates_path = ["_pages"]
smartquotes = False                 # they would change code and options
html_sidebars = {name: ["sidebar/brand.html", "sidebar/search.html", "sections.html"]
                 for name in ("source/**", "check/mistakes/**")}     # a short sidebar
html_copy_source = html_show_copyright = False
sphinx_gallery_conf = {
    "examples_dirs": "examples", "gallery_dirs": "tutorials",
    "filename_pattern": r"\.py$" if importlib.util.find_spec("torch") else
                        r"/(?!check_pytorch)\w+\.py$",
    "first_notebook_cell": "# refsnn must be installed: in a clone of\n"
                           f"# {address}, python -m pip install -e '.[figures]'",
    "download_all_examples": False, "show_memory": False, "show_signature": False,
    "capture_repr": (),
    "write_computation_times": False, "min_reported_time": 1e9}
