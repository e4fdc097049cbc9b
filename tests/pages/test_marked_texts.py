"""Every text of templates, views and scripts is marked for translation."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.pages.domain_texts import TEXTS
from tests.support.texts import READ_ALOUD, SAME_IN_EVERY_LANGUAGE, WORD

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = ROOT / "templates"

MARKERS = ("_", "gettext", "lazy_gettext", "marked", "ngettext")
WORDING = re.compile(r"[A-Za-z]{2,} [A-Za-z]|^[A-Z][a-z]+|[a-z]\.$")
"""Several words, a capitalized one, or the end of a sentence."""

NOT_SHOWN = {
    *("Clear-Site-Data", "Content-Disposition", "Content-Type", "Location", "Retry-After", "Lax"),
    *("View", "Field[Any]", "d MMM y", "d 'de' MMM 'de' y", "second factor", "attachment; filename=customers."),
    *("openid email profile", "authenticator app", "password and code", "recovery code", "single sign-on"),
    '<span class="blank" role="img" aria-label="{}">{}</span>',
    *("KeptForm | None", "kept forms", "A local time has no zone.", "Before the year 1 or after 9999."),
}
"""Headers, types, patterns, markup, purposes of keys, errors that are caught, and stored words that have labels."""

STORED_IN_ENGLISH = {" Nothing was changed.", "Reverts change #", " for this customer", "command line"}
"""Parts of texts that are translated when they are shown, as the whole texts of the domain are."""

PROPER_NAMES = {
    *("Edg", "Edge", "Opera", "Firefox", "Chrome", "Safari"),
    *("Android", "Windows", "Mac OS", "Mac", "Linux"),
}


def template_texts(template: str) -> Iterator[str]:
    """Yield the words of a template outside of its expressions, tags and code."""
    template = re.sub(
        r"{#.*?#}|{% block width %}.*?{% endblock %}|<code>.*?</code>|<(script|style)\b.*?</\1>",
        " ",
        template,
        flags=re.DOTALL,
    )
    expressions = re.sub(r"{{.*?}}|{%.*?%}", "\0", template, flags=re.DOTALL)
    attributes = re.findall(rf'(?:{"|".join(READ_ALOUD)})="([^"]*)"', expressions)
    texts = re.sub(r"<[^>]*>", "\0", expressions).split("\0")
    for text in (*texts, *attributes):
        words = " ".join(text.replace("\0", " ").split())
        if WORD.search(re.sub(r"&\w+;", "", words)) and words not in SAME_IN_EVERY_LANGUAGE:
            yield words


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_text_of_a_template_is_marked(path: Path) -> None:
    assert list(template_texts(path.read_text())) == []


LITERAL_IN_EXPRESSION = re.compile(r"{{(.*?)}}|{%-?\s*set(.*?)%}", re.DOTALL)


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_text_in_an_expression_of_a_template_is_marked(path: Path) -> None:
    marked = r"""\b(?:_|ngettext)\(\s*(?:("|')(?:\\.|(?!\1).)*\1[\s,]*)+"""
    expressions = "".join("".join(parts) for parts in LITERAL_IN_EXPRESSION.findall(path.read_text()))
    literals = re.findall(r"""("|')((?:(?!\1).)*)\1""", re.sub(marked, "", expressions, flags=re.DOTALL))
    assert [text for _, text in literals if re.match(r"[A-Z][a-z]+(?![A-Za-z])|[a-z]+ [a-z]+ [a-z]+", text)] == []


def literals(tree: ast.Module) -> Iterator[str]:
    """Yield the texts in a module's code: not those that are marked, logged or documentation."""
    ignored: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (_name(node.func) in MARKERS or ast.unparse(node.func).startswith("log.")):
            ignored.update(ast.walk(node))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            ignored.add(node.value)
        if isinstance(node, ast.Assign) and _name(node.targets[0]) == "explanation":  # of the API's description
            ignored.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in ignored:
            yield node.value


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", sorted((ROOT / "app" / "pages").glob("*.py")), ids=lambda path: path.name)
def test_every_text_of_a_view_is_marked(path: Path) -> None:
    found = {text for text in literals(ast.parse(path.read_text())) if WORDING.search(text)}
    assert found - NOT_SHOWN - STORED_IN_ENGLISH - {*TEXTS} - PROPER_NAMES == set()


SCRIPTS = [path for path in sorted((ROOT / "static" / "js").glob("*.js")) if path.name != "api-docs.js"]
"""All but that of the API's description, which is in English."""

SCRIPT_LITERAL = re.compile(r'"([^"\n]*)"|`([^`]*)`')


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_takes_its_texts_from_the_page(path: Path) -> None:
    """The page hands them over as data attributes of the element in which the script shows them."""
    code = re.sub(r"^\s*//.*$|import .*;|new Error\(.*?\);", "", path.read_text(), flags=re.MULTILINE)
    found = ["".join(groups) for groups in SCRIPT_LITERAL.findall(code)]
    assert [text for text in found if re.search(r"^[A-Z][a-z]+ |[a-z]\.$", text)] == []
