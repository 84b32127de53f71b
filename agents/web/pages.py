"""The few pages of the shell itself."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

_PAGES = Environment(
    loader=PackageLoader("agents.web", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(name: str, **values: object) -> str:
    """A page of the shell, with its values escaped."""
    return _PAGES.get_template(f"{name}.html.j2").render(values)
