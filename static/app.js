// What makes the pages quicker to use. Each works without it.

const once = (wait, work) => {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), wait);
  };
};

const part = async (url) => {
  const response = await fetch(url, { headers: { "X-Fragment": "results" } });
  if (!response.ok || response.redirected) throw new Error(response.status);
  return response.text();
};

// What is read out without being shown.
const say = (text) => {
  document.getElementById("live-region").textContent = text;
};

// Ctrl-K goes to the search from anywhere, and so does / where it is not being written.
const writing = (element) => element.isContentEditable || element.matches("input:not([type=checkbox], [type=radio]), select, textarea");

document.addEventListener("keydown", (event) => {
  const slash = event.key === "/" && "slash" in document.body.dataset && !writing(event.target);
  if ((event.ctrlKey || event.metaKey) ? event.key.toLowerCase() === "k" : slash && !event.altKey) {
    const find = document.querySelector("#site-search") ?? document.querySelector("#q");
    if (!find) return;
    event.preventDefault();
    find.focus();
    find.select();
  }
});

// On a narrow screen, the page one is on may be the last in the row.
const here = document.querySelector(".site-header nav [aria-current]");
if (here) {
  const row = here.closest("ul");
  row.scrollLeft += here.getBoundingClientRect().right - row.getBoundingClientRect().right + 40;
}

// Copy buttons are shown only where they can work.
const copiable = (root) => {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy || button.previousElementSibling.textContent.trim());
  say(`${button.getAttribute("aria-label").replace("Copy", "Copied")}`);
  button.classList.add("is-done");
  setTimeout(() => button.classList.remove("is-done"), 1500);
});

// A count that takes a moment comes after the page.
const count = async (root) => {
  const place = root.querySelector("[data-count]");
  if (!place) return;
  try {
    place.textContent = (await part(place.dataset.count)).trim();
    root.querySelector("[data-count-link]")?.remove();
  } catch {
    // the link is still there
  }
};

// Search as you type.
for (const form of document.querySelectorAll("[data-live-search]")) {
  const results = document.getElementById(form.dataset.liveSearch);
  let newest = 0;
  const show = once(180, async () => {
    const fields = [...new FormData(form)].filter(([, value]) => value !== "");
    const url = `${form.action.split("?")[0]}?${new URLSearchParams(fields)}`;
    const mine = ++newest;
    try {
      const page = new DOMParser().parseFromString(await part(url), "text/html");
      if (mine !== newest) return;
      results.replaceChildren(...page.getElementById(results.id).childNodes);
      history.replaceState(null, "", url);
      document.title = page.title;
      copiable(results);
      count(results);
    } catch {
      // Enter still asks for the whole page, and shows what is wrong
    }
  });
  form.addEventListener("input", show);
}

// The editor: rows are added, moved and removed here; only saving asks the server.
for (const form of document.querySelectorAll("[data-editor]")) {
  const rows = form.querySelector("[data-rows]");
  const unsaved = form.querySelector("[data-unsaved]");
  const inputs = (row) => [...row.querySelectorAll("input.form-control")];
  const filled = (values) => values.some((value) => value !== "");
  const state = () =>
    JSON.stringify([...rows.children].map((row) => inputs(row).map((input) => input.value)).filter(filled));
  const base = JSON.parse(form.elements.base.value);
  const line = (text) => text.replace(/[\r\n]/g, "");
  const saved = JSON.stringify(base.map((segment) => [line(segment.type), line(segment.value)]).filter(filled));
  let leaving = false;

  const touched = () => {
    const changed = state() !== saved;
    unsaved.textContent = changed ? unsaved.dataset.unsaved || "Not saved yet" : "";
    form.querySelector("[data-no-rows]")?.toggleAttribute("hidden", rows.children.length > 0);
    [...rows.children].forEach((row, n) => {
      const [type, value] = inputs(row);
      const was = base[row.querySelector("[name=was]").value];
      row.classList.toggle("is-changed", !was || line(was.type) !== type.value || line(was.value) !== value.value);
      type.setAttribute("aria-label", `Type of segment ${n + 1}`);
      value.setAttribute("aria-label", `Value of segment ${n + 1}`);
      for (const button of row.querySelectorAll("[data-row-action]")) {
        button.value = `${button.dataset.rowAction}-${n}`;
        button.setAttribute("aria-label", `${button.title}: segment ${n + 1}`);
      }
    });
    return changed;
  };

  const add = () => {
    rows.append(form.querySelector("template").content.cloneNode(true));
    touched();
    inputs(rows.lastElementChild)[0].focus();
  };

  const act = (row, verb) => {
    const other = { up: row.previousElementSibling, down: row.nextElementSibling }[verb];
    if (verb === "remove") {
      const near = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      (near ? near.querySelector("[data-row-action=remove]") : form.querySelector("[data-add]")).focus();
    } else if (other) {
      verb === "up" ? other.before(row) : other.after(row);
    }
    touched();
  };

  const checks = new WeakMap(); // each row waits by itself
  const check = (row) => {
    if (!checks.has(row)) checks.set(row, once(300, () => look(row)));
    checks.get(row)();
  };

  const look = async (row) => {
    const [type, value] = inputs(row).map((input) => input.value);
    const was = base[row.querySelector("[name=was]").value];
    const place = row.querySelector(".editor-similar");
    if (!type || !value || (was && was.type === type && was.value === value)) return place.replaceChildren();
    const asked = new URLSearchParams({ type, value });
    const page = new DOMParser().parseFromString(await part(`${form.dataset.check}?${asked}`), "text/html");
    place.replaceChildren(...page.body.childNodes);
  };

  form.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const row = button.closest(".editor-row");
    if ("add" in button.dataset) {
      event.preventDefault();
      add();
    } else if (button.dataset.rowAction) {
      event.preventDefault();
      const focused = button.dataset.rowAction;
      act(row, focused);
      if (focused !== "remove") button.focus();
    } else if (button.dataset.useType !== undefined) {
      event.preventDefault();
      const [type, value] = inputs(row);
      [type.value, value.value] = [button.dataset.useType, button.dataset.useValue];
      row.querySelector(".editor-similar").replaceChildren();
      touched();
      value.focus();
    }
  });

  form.addEventListener("keydown", (event) => {
    const verb = { ArrowUp: "up", ArrowDown: "down" }[event.key];
    const row = event.target.closest(".editor-row");
    if (event.altKey && verb && row) {
      event.preventDefault();
      act(row, verb);
      event.target.focus();
    }
  });

  form.addEventListener("input", (event) => {
    const row = event.target.closest(".editor-row");
    if (!row) return;
    touched();
    check(row);
  });

  // The values that customers have of the type in this row.
  form.addEventListener("focusin", async (event) => {
    if (event.target.name !== "value") return;
    const type = inputs(event.target.closest(".editor-row"))[0].value;
    if (!type) return;
    const page = new DOMParser().parseFromString(
      await part(`${form.dataset.values}?${new URLSearchParams({ type })}`),
      "text/html",
    );
    form.querySelector("#values").replaceChildren(...page.querySelectorAll("option"));
  });

  form.addEventListener("submit", () => (leaving = true));
  form.querySelector("[data-discard]").addEventListener("click", () => (leaving = true));
  addEventListener("beforeunload", (event) => {
    if (!leaving && touched()) event.preventDefault();
  });
  touched();
}

// What goes on in the background is looked at until it is done; then the page is another one.
const follow = async () => {
  const place = document.querySelector("[data-poll-progress]");
  if (!place) return;
  await new Promise((done) => setTimeout(done, 700));
  try {
    const page = new DOMParser().parseFromString(await part(location.href), "text/html");
    const fresh = page.querySelector("[data-poll-progress]");
    if (fresh) {
      place.replaceWith(fresh);
    } else {
      document.querySelector("main").replaceChildren(...page.querySelector("main").childNodes);
      document.title = page.title;
      say(document.querySelector("h1").textContent);
      copiable(document);
      return;
    }
  } catch {
    // the server is being restarted, perhaps: ask again
  }
  follow();
};

// Rows that are ticked, and how many.
for (const form of document.querySelectorAll("[data-selection]")) {
  const told = form.querySelector("[data-selected-count]");
  const all = form.querySelector("[data-select-all]");
  const boxes = () => [...form.querySelectorAll("input[name=id]")];
  const look = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    told.textContent = ticked ? `${ticked} ticked` : "";
    if (!all) return;
    all.checked = ticked > 0 && ticked === boxes().length;
    all.indeterminate = ticked > 0 && !all.checked;
  };
  if (all) all.closest("[hidden]").hidden = false;
  form.addEventListener("change", (event) => {
    if (event.target === all) boxes().forEach((box) => (box.checked = all.checked));
    look();
  });
  look();
}

copiable(document);
count(document);
follow();
