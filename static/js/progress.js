import { announce } from "./announce.js";
import { showCopyButtons } from "./copy-button.js";
import { fetchDocument } from "./fragment.js";

const POLL_INTERVAL_MS = 700;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function showFinishedPage(page) {
  document.querySelector("main").replaceChildren(...page.querySelector("main").childNodes);
  document.title = page.title;
  showCopyButtons(document);
  announce(document.querySelector("main [data-summary], main h1").textContent.trim());
}

// Reload the progress of a background job until it has ended; then show the page of its result.
export async function pollProgress() {
  let progress = document.querySelector("[data-poll-progress]");
  while (progress) {
    await sleep(POLL_INTERVAL_MS);
    try {
      const page = await fetchDocument(location.href);
      const latest = page.querySelector("[data-poll-progress]");
      if (!latest) return showFinishedPage(page);
      progress.replaceWith(latest);
      progress = latest;
    } catch {
      // The server may be restarting: poll again.
    }
  }
}
