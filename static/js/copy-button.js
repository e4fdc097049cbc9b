import { announce } from "./announce.js";

const CONFIRMATION_MS = 1500;

// Copy buttons are hidden in the HTML and shown where the clipboard can be written (not over plain HTTP).
export function showCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy || button.previousElementSibling.textContent.trim());
  announce(button.dataset.copied);
  button.classList.add("is-copied");
  setTimeout(() => button.classList.remove("is-copied"), CONFIRMATION_MS);
}

export function initCopyButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  showCopyButtons(document);
}
