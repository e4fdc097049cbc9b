// Passkeys: the forms are hidden in the HTML and shown where the browser supports WebAuthn with JSON.

async function post(url, form, payload) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrf_token.value },
    body: JSON.stringify(payload),
  });
  if (response.redirected || !response.headers.get("Content-Type")?.startsWith("application/json")) {
    throw new Error(form.dataset.expired);
  }
  const result = await response.json();
  if (!response.ok) throw new Error(result.error);
  return result;
}

async function createPasskey(form) {
  const options = await post(form.dataset.optionsUrl, form, {});
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  return post(form.dataset.url, form, { credential: credential.toJSON(), name: form.elements.name.value });
}

async function signInWithPasskey(form) {
  const options = await post(form.dataset.optionsUrl, form, {});
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  return post(form.dataset.url, form, credential.toJSON());
}

async function submit(event) {
  event.preventDefault();
  const form = event.target;
  const error = form.querySelector("[role=alert]");
  error.textContent = "";
  try {
    const { next } = await (form.dataset.passkey === "create" ? createPasskey(form) : signInWithPasskey(form));
    const keptForm = document.querySelector("[data-kept-form]"); // leads back to edits of a session that has ended
    if (keptForm) keptForm.submit();
    else location.assign(next);
  } catch (problem) {
    error.textContent = problem.name === "NotAllowedError" ? form.dataset.notUsed : problem.message;
  }
}

export function initPasskeys() {
  if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) return;
  for (const form of document.querySelectorAll("[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", submit);
  }
}
