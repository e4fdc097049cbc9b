import { announce } from "./announce.js";
import { showCopyButtons } from "./copy-button.js";
import { debounce } from "./debounce.js";
import { loadDeferredCounts } from "./deferred-count.js";
import { fetchDocument } from "./fragment.js";

const TYPING_PAUSE_MS = 180;

function searchUrl(form) {
  const filled = [...new FormData(form)].filter(([, value]) => value !== "");
  return `${form.action.split("?")[0]}?${new URLSearchParams(filled)}`;
}

// Show the results of a search form while the user types, and keep the URL up to date.
function enhance(form) {
  const results = document.getElementById(form.dataset.liveSearch);
  let request;

  const search = async () => {
    request?.abort();
    request = new AbortController();
    const url = searchUrl(form);
    try {
      const page = await fetchDocument(url, { signal: request.signal });
      results.replaceChildren(...page.getElementById(results.id).childNodes);
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

  form.addEventListener("input", debounce(search, TYPING_PAUSE_MS));
}

export function initLiveSearch() {
  for (const form of document.querySelectorAll("[data-live-search]")) enhance(form);
}
