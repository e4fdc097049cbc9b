// After a sign-in, lead back to the edits of the session that has ended. Without this script a button does.
export function continueEditing() {
  document.querySelector("[data-submit-at-once]")?.submit();
}
