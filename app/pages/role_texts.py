"""The roles in words."""

from typing import Any, NamedTuple

from flask_babel import lazy_gettext


class RoleTexts(NamedTuple):
    """What the pages say of a role."""

    name: Any
    description: Any
    """What the role may do, for who chooses one."""
    assigned: Any
    """The message when an operator was given the role."""
    required: Any = None
    """The message to operators with a lower role; none for the lowest."""


ROLE_TEXTS = {
    "viewer": RoleTexts(
        lazy_gettext("Viewer"), lazy_gettext("Viewer: can view"), lazy_gettext("%(email)s is now a viewer.")
    ),
    "editor": RoleTexts(
        lazy_gettext("Editor"),
        lazy_gettext("Editor: can edit segments and import"),
        lazy_gettext("%(email)s is now an editor."),
        lazy_gettext("Only editors can do this."),
    ),
    "admin": RoleTexts(
        lazy_gettext("Admin"),
        lazy_gettext("Admin: full access"),
        lazy_gettext("%(email)s is now an admin."),
        lazy_gettext("Only admins can do this."),
    ),
}
"""By role, from the least to the most powerful, as in `ROLES`."""

ROLE_NAMES = {role: texts.name for role, texts in ROLE_TEXTS.items()}
