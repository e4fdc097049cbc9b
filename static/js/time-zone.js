const YEAR_S = 365 * 24 * 3600;

// Tell the server the browser's time zone, in which the next page shows times.
export function rememberTimeZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.cookie.includes("time_zone=")) return;
  document.cookie = `time_zone=${zone}; path=/; max-age=${YEAR_S}; samesite=lax`;
}
