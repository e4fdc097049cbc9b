// Return the text for `count` from `{one: "{count} customer", other: "{count} customers"}`, in the language of the page.
export function plural(count, texts) {
  const { lang } = document.documentElement;
  const category = new Intl.PluralRules(lang).select(count);
  const text = texts[category] ?? texts.other;
  return text.replace("{count}", new Intl.NumberFormat(lang).format(count));
}
