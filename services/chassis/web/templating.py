"""Jinja2 environments: one per language, so that ``t``, ``fmt`` and ``ui`` need no plumbing in any template.

In every template, besides what the handler passes:
``t(key, **values)``, ``tn(key, n)``  messages · ``fmt``  formats of the language · ``lang``
``ui.<macro>(…)``  the components of ``ui.html`` · ``static(name)``  address of a static file · ``shell``  the service
"""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.chassis.web.format import Formatter
from services.chassis.web.i18n import LANGUAGE_NAMES, LANGUAGES, Messages, load_messages
from services.chassis.web.static import SHELL_STATIC, StaticFiles

SHELL_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Templates:
    """The environments of one service and the static files its pages refer to."""

    environments: dict[str, Environment]
    messages: dict[str, Messages]
    formatters: dict[str, Formatter]
    static: StaticFiles

    def render(self, language: str, name: str, context: dict[str, Any]) -> str:
        """The page as text."""
        return self.environments[language].get_template(name).render(context)

    def formatter(self, language: str) -> Formatter:
        """The formats of a language, for handlers."""
        return self.formatters[language]

    def text(self, language: str, key: str, **values: object) -> str:
        """A message, for handlers."""
        return self.messages[language].text(key, **values)


def templates(
    service_package: ModuleType | None, *, strict: bool, extra_static: tuple[Path, ...] = (), **shell: Any
) -> Templates:
    """Environments over ``templates/``, ``locales/`` and ``static/`` of a service's package, then of the shell.

    ``strict`` raises on a message that is missing: tests and development. ``shell`` goes to ``base.html``.
    """
    home = Path(service_package.__file__).parent if service_package and service_package.__file__ else None
    static = StaticFiles(SHELL_STATIC, *extra_static, *([home / "static"] if home else []))
    messages = load_messages(home / "locales" if home else None, strict=strict)
    formatters = {language: Formatter(language) for language in messages}
    environments: dict[str, Environment] = {}
    for language in LANGUAGES:
        environment = _environment(home)
        environment.globals.update(
            t=messages[language].text,
            tn=messages[language].plural,
            has_text=messages[language].has,
            fmt=formatters[language],
            lang=language,
            languages=LANGUAGE_NAMES,
            static=static.url,
            shell=shell,
        )
        environment.globals["ui"] = environment.get_template("ui.html").module
        environments[language] = environment
    return Templates(environments, messages, formatters, static)


def _environment(home: Path | None) -> Environment:
    folders = [FileSystemLoader(home / "templates")] if home else []
    return Environment(
        loader=ChoiceLoader([*folders, FileSystemLoader(SHELL_TEMPLATES)]),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
