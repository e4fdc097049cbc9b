// The page of the API: a partner pastes a token under "Authorize" and tries a call.

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", darkScheme.matches);
darkScheme.addEventListener("change", followScheme);
followScheme();

// Swagger UI leaves these gaps in what it renders: levels of headings, names of selects, landmarks.
function repairAccessibility(root) {
  for (const heading of root.querySelectorAll("h3.opblock-tag")) heading.ariaLevel = "2";
  for (const heading of root.querySelectorAll("h4:not([aria-level]), h5:not([aria-level])")) heading.ariaLevel = "3";
  for (const select of root.querySelectorAll("select:not([aria-label])")) {
    select.ariaLabel = select.id || "Example or media type"; // a label of Swagger UI may be empty
  }
  for (const table of root.querySelectorAll("table[role=region]")) table.removeAttribute("role");
  for (const region of root.querySelectorAll(".information-container, .scheme-container")) {
    region.role = "region";
    region.ariaLabel = region.classList.contains("scheme-container") ? "Authorization" : "About the API";
  }
  for (const block of root.querySelectorAll("pre:not([tabindex])")) block.tabIndex = 0; // it scrolls
}

const container = document.getElementById("docs");
new MutationObserver(() => repairAccessibility(container)).observe(container, { childList: true, subtree: true });

window.SwaggerUIBundle({
  url: container.dataset.specification,
  domNode: container,
  deepLinking: false, // its links would be inside of buttons
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  syntaxHighlight: { theme: "obsidian" },
  validatorUrl: null,
});
