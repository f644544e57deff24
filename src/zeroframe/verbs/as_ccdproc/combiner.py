"""The names of ``ccdproc.combiner``."""

from zeroframe.verbs.combine import combine
from zeroframe.verbs.combiner import Combiner
from zeroframe.verbs.filters import sigma_func

__all__ = ["Combiner", "combine", "sigma_func"]
