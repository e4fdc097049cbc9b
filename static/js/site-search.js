// List the hits of the search in the header while the user types: a combobox as described by the ARIA practices.

import { announce } from "./announce.js";
import { debounce } from "./debounce.js";
import { fetchDocument } from "./fragment.js";
import { plural } from "./plural.js";

const TYPING_PAUSE_MS = 120;

class SiteSearch {
  constructor(form) {
    this.form = form;
    this.input = form.querySelector("input");
    this.listbox = form.querySelector("[role=listbox]");
    this.input.setAttribute("role", "combobox");
    this.input.setAttribute("aria-autocomplete", "list");
    this.input.setAttribute("aria-controls", this.listbox.id);
    this.close();
  }

  get options() {
    return [...this.listbox.querySelectorAll("[role=option]")];
  }

  async search() {
    this.request?.abort();
    this.request = new AbortController();
    const url = `${this.form.dataset.hitsUrl}?${new URLSearchParams({ q: this.input.value.trim() })}`;
    try {
      const page = await fetchDocument(url, { signal: this.request.signal });
      this.listbox.replaceChildren(...page.body.childNodes);
      this.open();
    } catch {
      // Aborted by a newer search, or refused: Enter sends the form.
    }
  }

  open() {
    if (!this.form.contains(document.activeElement)) return;
    this.select(-1);
    this.listbox.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    announce(plural(this.options.length, this.listbox.dataset));
  }

  close() {
    this.request?.abort();
    this.listbox.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.selected = -1;
  }

  // Mark the option with this index; none for -1. The focus stays in the field.
  select(index) {
    this.selected = index;
    this.options.forEach((option, n) => {
      option.setAttribute("aria-selected", String(n === index));
    });
    const option = this.options[index];
    if (!option) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  handleKey(event) {
    const { length } = this.options;
    const isOpen = !this.listbox.hidden;
    if (event.key === "Escape" && isOpen) this.close();
    else if (event.key === "ArrowDown" && !isOpen) this.search();
    else if (event.key === "ArrowDown" && length) this.select((this.selected + 1) % length);
    else if (event.key === "ArrowUp" && isOpen && length)
      this.select((Math.max(this.selected, 0) - 1 + length) % length);
    else if (event.key === "Enter" && isOpen && this.selected >= 0) this.options[this.selected].click();
    else return;
    event.preventDefault();
  }
}

export function initSiteSearch() {
  const form = document.querySelector("[data-site-search]");
  if (!form) return;
  const search = new SiteSearch(form);
  form.addEventListener(
    "input",
    debounce(() => search.search(), TYPING_PAUSE_MS),
  );
  form.addEventListener("keydown", (event) => search.handleKey(event));
  form.addEventListener("site-search-opened", () => search.search());
  form.addEventListener("focusout", (event) => {
    if (!form.contains(event.relatedTarget)) search.close();
  });
  // A click on an option must not take the focus from the field, which would close the list first.
  search.listbox.addEventListener("mousedown", (event) => event.preventDefault());
}
