// The page of the API: a partner pastes a token under "Authorize", and tries a call.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const docs = document.getElementById("docs");
SwaggerUIBundle({
  url: docs.dataset.specification,
  domNode: docs,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
