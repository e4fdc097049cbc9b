"""Remove the indentation of templates from pages: it would be a third of a long list."""

import re

from flask.templating import Environment

INDENTATION = re.compile(r"\n[ \t]+")


class StripIndentEnvironment(Environment):
    def preprocess(self, source: str, name: str | None = None, filename: str | None = None) -> str:
        """Replace indentation by one space, which separates words. Line breaks stay for error messages."""
        source = super().preprocess(source, name, filename)
        return INDENTATION.sub("\n ", source) if name and name.endswith(".html") else source
