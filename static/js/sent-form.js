// A page that answers a form keeps the form in its history entry: Back would send it again, or fail where the browser
// does not store the page. Replaced, the entry is the page's address alone.
export function forgetSentForm() {
  history.replaceState(history.state, "", location.href);
}
