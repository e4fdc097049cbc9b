import { isTextInput } from "./text-input.js";

function focusSearch() {
  const field = document.getElementById("site-search") ?? document.getElementById("q");
  field?.focus();
  field?.select();
  return Boolean(field);
}

function isSearchShortcut(event) {
  if (event.ctrlKey || event.metaKey) return event.key.toLowerCase() === "k";
  const singleKeysEnabled = "slash" in document.body.dataset; // an operator can disable them (WCAG 2.1.4)
  return singleKeysEnabled && event.key === "/" && !event.altKey && !isTextInput(event.target);
}

export function initShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (isSearchShortcut(event) && focusSearch()) event.preventDefault();
  });
}
