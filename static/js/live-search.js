import { announce } from "./announce.js";
import { showCopyButtons } from "./copy-button.js";
import { debounce } from "./debounce.js";
import { loadDeferredCounts } from "./deferred-count.js";
import { fetchDocument } from "./fragment.js";

const TYPING_PAUSE_MS = 180;

// Return the URL of the search, without fields that are empty or belong to the picker of segments.
function searchUrl(form) {
  const data = new FormData(form);
  for (const field of form.querySelectorAll("[data-combobox] [name]")) data.delete(field.name);
  const filled = [...data].filter(([, value]) => value !== "");
  return `${form.action.split("?")[0]}?${new URLSearchParams(filled)}`;
}

// Show the results of a search form while the user types, and keep the URL up to date. The form names what to replace;
// the last of it holds the results.
function enhance(form) {
  const regions = form.dataset.liveSearch.split(" ").map((id) => document.getElementById(id));
  const results = regions.at(-1);
  let request;

  const search = async () => {
    request?.abort();
    request = new AbortController();
    const url = searchUrl(form);
    try {
      const page = await fetchDocument(url, { signal: request.signal });
      for (const region of regions) region.replaceChildren(...page.getElementById(region.id).childNodes);
      history.replaceState(null, "", url);
      document.title = page.title;
      showCopyButtons(results);
      results.dispatchEvent(new CustomEvent("results-replaced", { bubbles: true }));
      await loadDeferredCounts(results);
      announce(results.querySelector("[data-summary]")?.textContent.trim() ?? "");
    } catch {
      // Aborted by a newer search, or refused: Enter loads the whole page, which shows the error.
    }
  };

  const searchSoon = debounce(search, TYPING_PAUSE_MS);
  form.addEventListener("input", (event) => {
    if (!event.target.closest("[data-combobox]")) searchSoon();
  });
}

export function initLiveSearch() {
  for (const form of document.querySelectorAll("[data-live-search]")) enhance(form);
}
