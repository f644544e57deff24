"""Templates are compiled once: to do so took a fifth of a run on four small frames."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2.compiler
from jinja2 import BytecodeCache

from zeroframe.kernels._store import keep_code, kept_code

if TYPE_CHECKING:
    from jinja2.bccache import Bucket

__all__ = ["CompiledTemplates"]


class CompiledTemplates(BytecodeCache):
    """What jinja2 makes of the templates, kept where the machine code of kernels is, and trusted as that is.

    jinja2 itself looks whether the source of a template is still the same.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        """Put the code of a template into its place, if it is kept."""
        code = kept_code(Path(__file__), _name(bucket.key))
        if code is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a template."""
        keep_code(Path(__file__), _name(bucket.key), bucket.bytecode_to_string())


def _name(key: str) -> str:
    """Return the name of a file; code of another Python, or of another compiler or other settings, has another."""
    return f"template-{key[:16]}-{_maker()}.{sys.implementation.cache_tag}.zft"


@cache
def _maker() -> str:
    makers = (Path(jinja2.compiler.__file__), Path(__file__).with_name("page.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in makers)).hexdigest()[:16]
