"""How often an inspection is right: ``python tests/inspection_figures.py --number 300`` prints the table.

Cameras are drawn by `inspection_cases.make_case`; the last hundred of each three hundred have little noise, or numbers
in coarse steps.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from inspection_cases import by_kind, frames_of, is_coarse, make_case, mistakes
from zeroframe.inspection import inspect_overscan

__all__ = ["main"]


def main(arguments=None):
    """Print what was wrong of each camera, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(arguments)
    asked, wrong = Counter(), Counter()
    for number in range(options.first, options.first + options.number):
        case = make_case(number)
        frames = frames_of(case)
        found = mistakes(case, frames, inspect_overscan(by_kind(case, frames), workers=1))
        sort = "coarse steps or little noise" if is_coarse(number) else "others"
        asked[sort] += 1
        wrong.update({(sort, each.partition(":")[0]) for each in found} | ({(sort, "anything")} if found else set()))
        if found:
            print(f"  {case.name}: {'; '.join(found)}", file=sys.stderr)  # noqa: T201
    for sort, count in asked.items():
        told = ", ".join(f"{what} wrong in {wrong[sort, what]}" for what in ("anything", "verdict", "side"))
        print(f"{sort}: of {count}: {told}")  # noqa: T201


if __name__ == "__main__":
    main()
