import { announce } from "./announce.js";

const CONFIRMATION_MS = 1500;

const texts = () => document.getElementById("live-region").dataset;

function createCopyButton() {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "copy", ariaLabel: texts().copyId });
  button.dataset.copy = "";
  return button;
}

// Show the copy buttons, and add one to each ID, where the clipboard can be written (not over plain HTTP).
export function showCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  for (const id of root.querySelectorAll(".id:not(:has(+ .copy))")) id.after(createCopyButton());
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy || button.previousElementSibling.textContent.trim());
  announce(texts().copied);
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
