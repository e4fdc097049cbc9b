import { fetchFragment } from "./fragment.js";

// Replace "50+ customers" by the exact count, which can take longer than the page.
export async function loadDeferredCounts(root) {
  for (const placeholder of root.querySelectorAll("[data-count]")) {
    try {
      placeholder.textContent = (await fetchFragment(placeholder.dataset.count)).trim();
      root.querySelector("[data-count-link]")?.remove();
    } catch {
      // The link that counts on a page of its own remains.
    }
  }
}
