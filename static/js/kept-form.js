// After a sign-in, lead back to the edits of the session that has ended. Without this script, buttons do.
const KEPT = "kept-form";

export function continueEditing() {
  document.querySelector("[data-submit-at-once]")?.submit();
  const form = document.querySelector("[data-kept-form]");
  if (form) keepDuringSingleSignOn(form);
  else if (document.querySelector(".site-header")) submitKeptForm();
}

// Single sign-on leaves the page. Without this script it opens a tab of its own; with it, this tab remembers the form,
// which is encrypted.
function keepDuringSingleSignOn(form) {
  const link = document.querySelector("[data-single-sign-on]");
  if (!link) return;
  link.removeAttribute("target");
  document.querySelector("[data-new-tab]").hidden = true;
  link.addEventListener("click", () => sessionStorage.setItem(KEPT, form.outerHTML));
}

function submitKeptForm() {
  const kept = sessionStorage.getItem(KEPT);
  if (!kept) return;
  sessionStorage.removeItem(KEPT);
  const form = new DOMParser().parseFromString(kept, "text/html").querySelector("form");
  form.hidden = true;
  document.body.append(form);
  form.submit();
}
