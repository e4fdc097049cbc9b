// The segment editor: add, move and remove rows in the page. Only saving sends the form.

import { inputsOf, isChanged, renumber, segmentOf, stripNewlines } from "./editor-row.js";
import { checkSpelling, suggestValues } from "./editor-suggestions.js";
import { guardUnsavedChanges } from "./unsaved-changes.js";

const isFilled = (segment) => segment.some((text) => text !== "");

class Editor {
  constructor(form) {
    this.form = form;
    this.rows = form.querySelector("[data-rows]");
    this.unsavedNote = form.querySelector("[data-unsaved]");
    this.storedSegments = JSON.parse(form.elements.base.value);
    const stored = this.storedSegments.map(({ type, value }) => [stripNewlines(type), stripNewlines(value)]);
    this.storedState = JSON.stringify(stored.filter(isFilled));
  }

  hasChanges() {
    const segments = [...this.rows.children].map(segmentOf);
    return JSON.stringify(segments.filter(isFilled)) !== this.storedState;
  }

  // Update what depends on the rows: their numbers, their marks, and the note about unsaved changes.
  refresh() {
    this.unsavedNote.textContent = this.hasChanges() ? this.unsavedNote.dataset.unsaved : "";
    this.form.querySelector("[data-no-rows]")?.toggleAttribute("hidden", this.rows.children.length > 0);
    [...this.rows.children].forEach((row, index) => {
      row.classList.toggle("is-changed", isChanged(row, this.storedSegments));
      renumber(row, index);
    });
  }

  addRow() {
    this.rows.append(this.form.querySelector("template").content.cloneNode(true));
    this.refresh();
    inputsOf(this.rows.lastElementChild)[0].focus();
  }

  removeRow(row) {
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.refresh();
    (neighbour?.querySelector("[data-row-action=remove]") ?? this.form.querySelector("[data-add]")).focus();
  }

  moveRow(row, direction) {
    const focused = document.activeElement;
    if (direction === "up") row.previousElementSibling?.before(row);
    else row.nextElementSibling?.after(row);
    this.refresh();
    focused.focus(); // moving an element takes the focus from it
  }

  useSuggestion(row, { useType, useValue }) {
    const [type, value] = inputsOf(row);
    [type.value, value.value] = [useType, useValue];
    row.querySelector(".editor-similar").replaceChildren();
    this.refresh();
    value.focus();
  }

  handleClick(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const row = button.closest(".editor-row");
    const { rowAction, useType } = button.dataset;
    if ("add" in button.dataset) this.addRow();
    else if (rowAction === "remove") this.removeRow(row);
    else if (rowAction) this.moveRow(row, rowAction);
    else if (useType !== undefined) this.useSuggestion(row, button.dataset);
    else return;
    event.preventDefault();
  }

  handleKey(event) {
    const direction = { ArrowUp: "up", ArrowDown: "down" }[event.key];
    const row = event.target.closest(".editor-row");
    if (!event.altKey || !direction || !row) return;
    event.preventDefault();
    this.moveRow(row, direction);
  }
}

export function initEditors() {
  for (const form of document.querySelectorAll("[data-editor]")) {
    const editor = new Editor(form);
    form.addEventListener("click", (event) => editor.handleClick(event));
    form.addEventListener("keydown", (event) => editor.handleKey(event));
    form.addEventListener("input", () => editor.refresh());
    checkSpelling(form, editor.storedSegments);
    suggestValues(form);
    guardUnsavedChanges(form, () => editor.hasChanges());
    editor.refresh();
  }
}
