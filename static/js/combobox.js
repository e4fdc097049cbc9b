// List what matches a field while the user types, each a link: a combobox as described by the ARIA practices.
// The search in the header is one, and so is the picker of segments in a filter.

import { announce } from "./announce.js";
import { debounce } from "./debounce.js";
import { fetchDocument } from "./fragment.js";
import { plural } from "./plural.js";

const TYPING_PAUSE_MS = 120;

class Combobox {
  constructor(root) {
    this.root = root;
    this.input = root.querySelector("input");
    this.listbox = root.querySelector("[role=listbox]");
    this.input.setAttribute("role", "combobox");
    this.input.setAttribute("aria-autocomplete", "list");
    this.input.setAttribute("aria-controls", this.listbox.id);
    this.close();
  }

  get options() {
    return [...this.listbox.querySelectorAll("a[role=option]")];
  }

  async search() {
    this.request?.abort();
    this.request = new AbortController();
    const url = `${this.root.dataset.hitsUrl}?${new URLSearchParams(new FormData(this.input.form))}`;
    try {
      const page = await fetchDocument(url, { signal: this.request.signal });
      this.listbox.replaceChildren(...page.body.childNodes);
      this.open();
    } catch {
      // Aborted by a newer search, or refused: Enter sends the form.
    }
  }

  open() {
    if (document.activeElement !== this.input) return;
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

function enhance(root) {
  const combobox = new Combobox(root);
  const { input, listbox } = combobox;
  const search = () => combobox.search();
  input.addEventListener("input", debounce(search, TYPING_PAUSE_MS));
  input.addEventListener("keydown", (event) => combobox.handleKey(event));
  input.addEventListener("combobox-opened", search);
  if ("openOnFocus" in root.dataset) input.addEventListener("focus", search);
  input.addEventListener("blur", () => combobox.close());
  // A click on an option must not take the focus from the field, which would close the list first.
  listbox.addEventListener("mousedown", (event) => event.preventDefault());
}

export function initComboboxes() {
  for (const root of document.querySelectorAll("[data-combobox]")) enhance(root);
}
