// One row of the segment editor: a type, a value, and the segment of the customer that it was made from.

// Browsers remove line breaks from the value of a one-line field.
export const stripNewlines = (text) => text.replace(/[\r\n]/g, "");

export const inputsOf = (row) => [...row.querySelectorAll("input.form-control")];

export const segmentOf = (row) => inputsOf(row).map((input) => input.value);

// Return the stored segment that the row shows or changes; undefined for a new row.
export const originalOf = (row, storedSegments) => storedSegments[row.querySelector("[name=original_index]").value];

const removedField = (row) => row.querySelector("[name=removed]");

// Return whether saving removes the segment of the row.
export const isRemoved = (row) => removedField(row).value !== "";

export function setRemoved(row, removed) {
  removedField(row).value = removed ? "yes" : "";
  row.classList.toggle("is-removed", removed);
  for (const input of inputsOf(row)) input.readOnly = removed;
  for (const button of row.querySelectorAll("[data-row-action]")) {
    button.hidden = (button.dataset.rowAction === "keep") !== removed;
  }
}

export function isChanged(row, storedSegments) {
  const original = originalOf(row, storedSegments);
  const [type, value] = segmentOf(row);
  return !original || stripNewlines(original.type) !== type || stripNewlines(original.value) !== value;
}

// Number the names of the controls, which the server and screen readers use, from the row's position.
export function renumber(row, index) {
  const withNumber = (text) => text.replace("{n}", index + 1);
  for (const input of inputsOf(row)) input.setAttribute("aria-label", withNumber(input.dataset.label));
  const name = segmentOf(row).join(" ").trim() || withNumber(row.closest("[data-row-name]").dataset.rowName);
  for (const button of row.querySelectorAll("[data-row-action]")) {
    button.value = `${button.dataset.rowAction}-${index}`;
    button.setAttribute("aria-label", button.dataset.label.replace("{segment}", name));
  }
}
