"""Look at every link within the pages that were built: `python docs/_ext/check_links.py docs/_build/html`.

Sphinx knows its own references; links in plain HTML, in pictures, and in what the theme writes are seen here.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """Where a page leads to, and which places in it have a name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names = {""}
        self.feed(text)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key in {"href", "src"} and value is not None:
                self.links.append(value)
            elif key in {"id", "name"} and value:
                self.names.add(value)


def dead_links(site: Path) -> list[str]:
    """Return a sentence for each link that leads nowhere."""
    pages = {
        path: _Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    return [
        f"{path.relative_to(site)}: {link} leads nowhere"
        for path, page in pages.items()
        for link in dict.fromkeys(page.links)
        if not _leads_somewhere(path, link, pages)
    ]


def _leads_somewhere(page: Path, link: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    if target in pages and parts.fragment:
        return unquote(parts.fragment) in pages[target].names
    return target.is_file()


if __name__ == "__main__":
    site = Path(sys.argv[1]).resolve()
    dead = dead_links(site)
    sys.stdout.write("".join(f"{each}\n" for each in dead))
    sys.exit(1 if dead else 0)
