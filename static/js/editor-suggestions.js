import { debounce } from "./debounce.js";
import { inputsOf, isChanged, segmentOf } from "./editor-row.js";
import { fetchDocument } from "./fragment.js";

const TYPING_PAUSE_MS = 300;

// Return the hints for what is being typed; null if there are none now: the session may have ended, and saving says so.
function fetchHints(url, query) {
  return fetchDocument(`${url}?${new URLSearchParams(query)}`).catch(() => null);
}

// While a segment is typed, point out an existing segment with nearly the same spelling.
export function checkSpelling(form, storedSegments) {
  const pendingChecks = new WeakMap(); // each row waits on its own

  const check = async (row) => {
    const [type, value] = segmentOf(row);
    const similar = row.querySelector(".editor-similar");
    if (!type || !value || !isChanged(row, storedSegments)) return similar.replaceChildren();
    const page = await fetchHints(form.dataset.check, { type, value });
    if (!page) return;
    similar.replaceChildren(...page.body.childNodes);
  };

  form.addEventListener("input", (event) => {
    const row = event.target.closest(".editor-row");
    if (!row) return;
    if (!pendingChecks.has(row)) pendingChecks.set(row, debounce(check, TYPING_PAUSE_MS));
    pendingChecks.get(row)(row);
  });
}

// Offer the values that customers have of the row's type.
export function suggestValues(form) {
  form.addEventListener("focusin", async (event) => {
    if (event.target.name !== "value") return;
    const [type] = inputsOf(event.target.closest(".editor-row"));
    if (!type.value) return;
    const page = await fetchHints(form.dataset.values, { type: type.value });
    if (!page) return;
    form.querySelector("#values").replaceChildren(...page.querySelectorAll("option"));
  });
}
