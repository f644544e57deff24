"""ccdproc's modules by their names, for ``from zeroframe.core import trim_image`` in the place of ``ccdproc.core``.

`zeroframe` looks for modules in this folder, too. They hold nothing of their own.
"""
