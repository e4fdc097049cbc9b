// The segment editor: add, move and remove rows in the page. Only saving sends the form.

import {
  inputsOf,
  isChanged,
  isRemoved,
  originalOf,
  renumber,
  segmentOf,
  setRemoved,
  stripNewlines,
} from "./editor-row.js";
import { checkSpelling, suggestValues } from "./editor-suggestions.js";
import { plural } from "./plural.js";
import { guardUnsavedChanges } from "./unsaved-changes.js";

const isFilled = (segment) => segment.some((text) => text !== "");

// Return how often each of these segments is there, by its JSON.
function countEach(segments) {
  const counts = new Map();
  for (const segment of segments) {
    const key = JSON.stringify(segment);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

// Return how many of the segments counted in `counts` are not among those in `others`.
const countMissing = (counts, others) =>
  [...counts].reduce((total, [key, count]) => total + Math.max(0, count - (others.get(key) ?? 0)), 0);

class Editor {
  constructor(form) {
    this.form = form;
    this.rows = form.querySelector("[data-rows]");
    this.unsavedNote = form.querySelector("[data-unsaved]");
    this.storedSegments = JSON.parse(form.elements.base.value);
    const stored = this.storedSegments.map(({ type, value }) => [stripNewlines(type), stripNewlines(value)]);
    this.stored = stored.filter(isFilled);
  }

  // Return the segments that saving would store.
  segments() {
    return [...this.rows.children]
      .filter((row) => !isRemoved(row))
      .map(segmentOf)
      .filter(isFilled);
  }

  hasChanges() {
    return JSON.stringify(this.segments()) !== JSON.stringify(this.stored);
  }

  // Return what saving would change, such as "Unsaved changes: 1 added, 1 removed".
  summary() {
    const { unsaved, addedOne, addedOther, removedOne, removedOther } = this.unsavedNote.dataset;
    if (addedOne === undefined) return unsaved;
    const [before, after] = [countEach(this.stored), countEach(this.segments())];
    const added = countMissing(after, before);
    const removed = countMissing(before, after);
    const parts = [];
    if (added) parts.push(plural(added, { one: addedOne, other: addedOther }));
    if (removed) parts.push(plural(removed, { one: removedOne, other: removedOther }));
    return parts.length ? `${unsaved}: ${parts.join(", ")}` : unsaved;
  }

  // Update what depends on the rows: their numbers, their marks, and the note about unsaved changes.
  refresh() {
    const note = this.hasChanges() ? this.summary() : "";
    if (note !== this.unsavedNote.textContent) this.unsavedNote.textContent = note;
    this.form.querySelector("[data-no-rows]")?.toggleAttribute("hidden", this.rows.children.length > 0);
    const seen = new Set();
    [...this.rows.children].forEach((row, index) => {
      row.classList.toggle("is-changed", isChanged(row, this.storedSegments));
      renumber(row, index);
      this.markRepetition(row, seen);
    });
  }

  // Point out a row with the segment of an earlier one; `seen` has those of the rows above.
  markRepetition(row, seen) {
    const key = JSON.stringify(segmentOf(row));
    const counts = isFilled(segmentOf(row)) && !isRemoved(row);
    row.querySelector(".editor-repeated").hidden = !(counts && seen.has(key));
    if (counts) seen.add(key);
  }

  addRow() {
    this.rows.append(this.form.querySelector("template").content.cloneNode(true));
    this.refresh();
    inputsOf(this.rows.lastElementChild)[0].focus();
  }

  // A stored segment stays in view until the form is saved; a new row disappears.
  removeRow(row) {
    if (originalOf(row, this.storedSegments)) {
      setRemoved(row, true);
      this.refresh();
      row.querySelector("[data-row-action=keep]").focus();
    } else {
      this.deleteRow(row);
    }
  }

  keepRow(row) {
    setRemoved(row, false);
    this.refresh();
    row.querySelector("[data-row-action=remove]").focus();
  }

  deleteRow(row) {
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.refresh();
    (
      neighbour?.querySelector("[data-row-action=remove]:not([hidden])") ?? this.form.querySelector("[data-add]")
    ).focus();
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
    else if (rowAction === "keep") this.keepRow(row);
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
