// The page of the API: a partner pastes a token under "Authorize" and tries a call.

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", darkScheme.matches);
darkScheme.addEventListener("change", followScheme);
followScheme();

const container = document.getElementById("docs");
window.SwaggerUIBundle({
  url: container.dataset.specification,
  domNode: container,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
