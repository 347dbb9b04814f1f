"""A page with a hundred parts, which tells its server whether a browser got them all."""

from __future__ import annotations

from tests.integration.clients.support.site import Site

PARTS = 100
PADDING = 20_000
WHOLE = f"/got/{PARTS}/with/{sum(range(PARTS))}"
"""What the page asks for in the end, when all its parts have come and have run."""


def big_page() -> Site:
    """The site with the page, which is `/`; each of its parts is a script with a number."""
    tags = "".join(f'<script src="/part/{number}.js"></script>' for number in range(PARTS))
    tell = "<script>document.write(`<img src='/got/${count}/with/${sum}'>`)</script>"
    page = f"<!DOCTYPE html><html><script>var sum=0,count=0</script>{tags}{tell}</html>"
    pages = {"/": ("text/html", page.encode())}
    for number in range(PARTS):
        script = f"sum+={number};count++ // {'x' * PADDING}".encode()
        pages[f"/part/{number}.js"] = ("text/javascript", script)
    return Site(pages)


def missing(site: Site) -> set[str]:
    """What a browser should have asked for, and hasn't."""
    wanted = {f"/part/{number}.js" for number in range(PARTS)} | {WHOLE}
    return wanted - {asked.path for asked in site.asked}
