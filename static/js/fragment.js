// Fetch HTML from the server. A redirect is an error: it leads to the sign-in page or to another resource.
export async function fetchFragment(url, options = {}) {
  const response = await fetch(url, { ...options, headers: { "X-Fragment": "true", ...options.headers } });
  if (!response.ok || response.redirected) {
    throw new Error(`${url} answered ${response.status}`);
  }
  return response.text();
}

export async function fetchDocument(url, options) {
  return new DOMParser().parseFromString(await fetchFragment(url, options), "text/html");
}
