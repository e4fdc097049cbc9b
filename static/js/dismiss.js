// Let the user close the messages at the top of the page. Without this script they stay until the next page.
export function initDismissButtons() {
  for (const button of document.querySelectorAll("[data-dismiss]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      button.closest(".notice").remove();
      document.getElementById("main").focus();
    });
  }
}
