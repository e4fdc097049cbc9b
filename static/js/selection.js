// The checkboxes of a list of customers: select all of a page, count the selected rows.

function enhance(form) {
  const counter = form.querySelector("[data-selected-count]");
  const selectAll = form.querySelector("[data-select-all]");
  const checkboxes = () => [...form.querySelectorAll("input[name=id]")];

  const refresh = () => {
    const selected = checkboxes().filter((checkbox) => checkbox.checked).length;
    counter.textContent = selected ? `${selected} selected` : "";
    selectAll.checked = selected > 0 && selected === checkboxes().length;
    selectAll.indeterminate = selected > 0 && !selectAll.checked;
  };

  selectAll.closest("[hidden]").hidden = false;
  form.addEventListener("change", (event) => {
    if (event.target === selectAll) {
      for (const checkbox of checkboxes()) checkbox.checked = selectAll.checked;
    }
    refresh();
  });
  refresh();
}

export function initSelection() {
  for (const form of document.querySelectorAll("[data-selection]")) enhance(form);
}
