"""Finding and pressing the controls of a page by what they do, so that a tour works in every language."""

from playwright.sync_api import Locator, Page


def button(page: Page, action: str) -> Locator:
    """Return the visible button that sends `action`; rows of the editor repeat it as a hidden default button."""
    return page.locator(f"main button[name=action][value={action}]:not([tabindex='-1'])").locator("visible=true").last


def press(page: Page, control: Locator) -> None:
    """Click the button or link, and wait for the page that it leads to."""
    with page.expect_navigation():
        control.click()


def submit(page: Page, form: str = "main form") -> None:
    """Send the form whose selector is `form` with its last visible submit button."""
    press(page, page.locator(f"{form} button[type=submit]").locator("visible=true").last)


def follow(page: Page, href: str) -> None:
    """Follow the last link of the page whose URL contains `href`."""
    press(page, page.locator(f"main a[href*='{href}']").last)
