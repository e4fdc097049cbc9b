// Send a form with a file in the background and show how much of it has arrived.

import { announce } from "./announce.js";

class Upload {
  constructor(form) {
    this.form = form;
    this.status = form.querySelector("[data-upload-status]");
    this.bar = this.status.querySelector("progress");
    this.percent = this.status.querySelector("output");
    this.buttons = form.querySelectorAll("button[type=submit]");
  }

  start() {
    this.request = new XMLHttpRequest(); // fetch() does not report the progress of an upload
    this.request.upload.addEventListener("progress", (event) => this.showProgress(event.loaded / event.total));
    this.request.addEventListener("load", () => this.finish());
    for (const event of ["error", "abort"]) this.request.addEventListener(event, () => this.stop());
    this.request.open("POST", this.form.action);
    this.request.send(new FormData(this.form));
    this.setRunning(true);
    announce(this.status.dataset.started);
  }

  showProgress(share) {
    this.bar.value = share;
    this.percent.textContent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(share);
  }

  // The answer is a redirect to the preview, which the request has followed; or this page with an error.
  finish() {
    this.setRunning(false);
    const { responseURL, responseText } = this.request;
    if (new URL(responseURL).pathname !== new URL(this.form.action).pathname) return location.assign(responseURL);
    const page = new DOMParser().parseFromString(responseText, "text/html");
    document.querySelector("main").replaceChildren(...page.querySelector("main").childNodes);
    document.title = page.title;
    announce(document.querySelector(".notice-problem")?.textContent.trim() ?? "");
    initUploads();
  }

  stop() {
    this.setRunning(false);
    announce(this.status.dataset.stopped);
  }

  setRunning(isRunning) {
    this.isRunning = isRunning;
    this.status.hidden = !isRunning;
    this.showProgress(0);
    for (const button of this.buttons) button.disabled = isRunning;
  }
}

export function initUploads() {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const upload = new Upload(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload.start();
  });
  form.querySelector("[data-cancel-upload]").addEventListener("click", () => upload.request.abort());
  addEventListener("beforeunload", (event) => {
    if (upload.isRunning) event.preventDefault();
  });
}
