// Ask before the user leaves the page while `hasChanges` returns true, unless `form` is sent or discarded.
export function guardUnsavedChanges(form, hasChanges) {
  let isLeaving = false;
  form.addEventListener("submit", () => {
    isLeaving = true;
  });
  form.querySelector("[data-discard]").addEventListener("click", () => {
    isLeaving = true;
  });
  addEventListener("beforeunload", (event) => {
    if (!isLeaving && hasChanges()) event.preventDefault();
  });
  // After Back, the browser may show this page again as it was left.
  addEventListener("pageshow", () => {
    isLeaving = false;
  });
}
