"""The titles and advice of errors, marked for translation; a test compares them with the classes that state them."""

from flask_babel import lazy_gettext

ERROR_TEXTS = (
    lazy_gettext("Invalid request"),
    lazy_gettext("Sign in first"),
    lazy_gettext("You don't have permission"),
    lazy_gettext("Page not found"),
    lazy_gettext("Action not allowed"),
    lazy_gettext("This was changed by someone else"),
    lazy_gettext("No longer available"),
    lazy_gettext("File too large"),
    lazy_gettext("Too many attempts"),
    lazy_gettext("Something went wrong"),
    lazy_gettext("Temporarily unavailable"),
    lazy_gettext("Go back and try again."),
    lazy_gettext("Ask an admin if you need to do this."),
    lazy_gettext("Check the address or search for a customer."),
    lazy_gettext("Reload and try again."),
    lazy_gettext("Split the file or use the command line."),
    lazy_gettext("Try again in a few minutes."),
    lazy_gettext("If it keeps happening, send this request ID to your administrator."),
    lazy_gettext("Try again in a moment."),
)
