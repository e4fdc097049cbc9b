"""What indents the templates is for whoever reads them, and not sent: of a long list it would be a third."""

import re

from flask.templating import Environment

INDENTATION = re.compile(r"\n[ \t]+")


class StripIndentEnvironment(Environment):
    def preprocess(self, source: str, name: str | None = None, filename: str | None = None) -> str:
        """One blank stays, to part words after a block, and the line breaks, by which errors are found."""
        source = super().preprocess(source, name, filename)
        return INDENTATION.sub("\n ", source) if name and name.endswith(".html") else source
