import { isTextInput } from "./text-input.js";

// A shortcut of a single key can be triggered by speech input, so an operator can disable them (WCAG 2.1.4).
const singleKeysEnabled = () => "singleKeyShortcuts" in document.body.dataset;

function isSingleKey(event, key) {
  const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
  return singleKeysEnabled() && event.key === key && !hasModifier && !isTextInput(event.target);
}

const isControlK = (event) => (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";

function focusSearch() {
  const field = document.getElementById("site-search");
  field?.focus();
  field?.select();
  field?.dispatchEvent(new CustomEvent("combobox-opened"));
}

const addSegmentButton = () => document.querySelector("[data-editor] [data-add]");

function showShortcuts() {
  document.getElementById("shortcuts-dialog")?.showModal();
}

// The key is named on the button only where it works.
function nameShortcut(button) {
  if (!button || !singleKeysEnabled()) return;
  button.title = button.dataset.shortcut;
  button.setAttribute("aria-keyshortcuts", "A");
}

export function initShortcuts() {
  nameShortcut(addSegmentButton());
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (isControlK(event) || isSingleKey(event, "/")) focusSearch();
    else if (isSingleKey(event, "?")) showShortcuts();
    else if (isSingleKey(event, "a") && addSegmentButton()) addSegmentButton().click();
    else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-show-shortcuts]")) return;
    event.preventDefault();
    showShortcuts();
  });
}
