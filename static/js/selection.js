// Select customers in a list. The selection lives in this tab: it outlasts a new search and other pages of the list.

import { announce } from "./announce.js";
import { plural } from "./plural.js";

const STORAGE_KEY = "selected-customers";

const load = () => new Set(JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "[]"));
const store = (ids) => sessionStorage.setItem(STORAGE_KEY, JSON.stringify([...ids]));
const clear = () => sessionStorage.removeItem(STORAGE_KEY);

class Selection {
  constructor(form) {
    this.form = form;
    this.bar = form.querySelector("[data-bulk-bar]");
    this.counter = form.querySelector("[data-selected-count]");
    this.selectAll = form.querySelector("[data-select-all]");
    this.checkboxes = [...form.querySelectorAll("tbody input[name=document_id]")];
    this.selectAll.closest("[hidden]").hidden = false;
    this.restore();
  }

  restore() {
    const ids = load();
    for (const checkbox of this.checkboxes) checkbox.checked = ids.has(checkbox.value);
    this.refresh(ids);
  }

  // Keep the checkboxes of this page, and report the new number to screen readers.
  save() {
    const ids = load();
    for (const { checked, value } of this.checkboxes) ids[checked ? "add" : "delete"](value);
    store(ids);
    this.refresh(ids);
    announce(this.counter.textContent);
  }

  refresh(ids) {
    const selectedHere = this.checkboxes.filter((checkbox) => checkbox.checked).length;
    this.counter.textContent = plural(ids.size, this.counter.dataset);
    this.bar.classList.toggle("is-active", ids.size > 0);
    this.selectAll.checked = selectedHere > 0 && selectedHere === this.checkboxes.length;
    this.selectAll.indeterminate = selectedHere > 0 && !this.selectAll.checked;
  }

  handleClick(event) {
    const index = this.checkboxes.indexOf(event.target);
    if (event.target === this.selectAll) {
      for (const checkbox of this.checkboxes) checkbox.checked = this.selectAll.checked;
    } else if (event.target.closest("[data-clear-selection]")) {
      for (const checkbox of this.checkboxes) checkbox.checked = false;
      clear();
      this.selectAll.focus(); // the button that had the focus disappears
    } else if (index >= 0) {
      if (event.shiftKey && this.lastIndex !== undefined) this.setRange(this.lastIndex, index, event.target.checked);
      this.lastIndex = index;
    } else {
      return;
    }
    this.save();
  }

  setRange(from, to, checked) {
    const [first, last] = from < to ? [from, to] : [to, from];
    for (const checkbox of this.checkboxes.slice(first, last + 1)) checkbox.checked = checked;
  }

  // The arrow keys move between the checkboxes; Enter sends the form, as in any form.
  handleKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const index = this.checkboxes.indexOf(event.target);
    const next = this.checkboxes[index + step];
    if (index < 0 || !next) return;
    event.preventDefault();
    next.focus();
  }

  // Send the customers who were selected on other pages of the list, too.
  addHiddenFields() {
    const here = new Set(this.checkboxes.map((checkbox) => checkbox.value));
    for (const field of this.form.querySelectorAll("input[type=hidden][name=document_id]")) field.remove();
    for (const id of load()) {
      if (here.has(id)) continue;
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "document_id", value: id });
      this.form.append(field);
    }
  }
}

function enhance(root) {
  for (const form of root.querySelectorAll("[data-selection]")) {
    const selection = new Selection(form);
    form.addEventListener("click", (event) => selection.handleClick(event));
    form.addEventListener("keydown", (event) => selection.handleKey(event));
    form.addEventListener("submit", () => selection.addHiddenFields());
    addEventListener("pageshow", () => selection.restore()); // Back shows the boxes as they were
  }
}

export function initSelection() {
  // The selection has served its purpose once an edit is prepared, and does not pass to the next operator.
  if (document.querySelector("[data-clears-selection]") || !document.querySelector(".site-header")) clear();
  enhance(document);
  document.addEventListener("results-replaced", (event) => enhance(event.target));
}
