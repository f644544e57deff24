"""The table of all headers of a folder: ``header_table.py ccdproc|zeroframe FOLDER FILES``."""

import sys
from importlib import import_module

module, folder, files = sys.argv[1:]
summary = import_module(module).ImageFileCollection(folder).summary
if len(summary) != int(files):
    sys.exit(f"{len(summary)} rows and not {files}")
