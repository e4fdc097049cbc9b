import { fetchFragment } from "./fragment.js";

// Name the exact count on the button that selects all, too.
function nameSelection(root, text) {
  const button = root.querySelector("[data-select-matching]");
  const [count] = text.match(/^[\d.,\s]+(?!.*\+)/) ?? [];
  if (button && count) button.textContent = button.dataset.selectMatching.replace("{count}", count.trim());
}

// Replace "50+ customers" by the exact count, which can take longer than the page.
export async function loadDeferredCounts(root) {
  for (const placeholder of root.querySelectorAll("[data-count]")) {
    try {
      placeholder.textContent = (await fetchFragment(placeholder.dataset.count)).trim();
      nameSelection(root, placeholder.textContent);
      root.querySelector("[data-count-link]")?.remove();
    } catch {
      // The link that counts on a page of its own remains.
    }
  }
}
