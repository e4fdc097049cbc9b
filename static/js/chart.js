// Show the values of a chart one at a time: under the pointer, or walked by the arrow keys as a slider.

const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };

function element(className) {
  return Object.assign(document.createElement("div"), { className, hidden: true });
}

class Chart {
  constructor(plot) {
    this.plot = plot;
    this.labels = JSON.parse(plot.dataset.labels);
    this.isColumns = plot.dataset.chart === "columns";
    this.marker = element("chart-marker");
    this.value = element("chart-value");
    this.value.setAttribute("aria-hidden", "true"); // the slider says the same
    const image = plot.querySelector("svg");
    for (const title of image.querySelectorAll("title")) title.remove(); // a second, slower tooltip
    this.setAttributes({ role: "slider", tabindex: 0, "aria-label": image.getAttribute("aria-label") });
    this.setAttributes({ "aria-valuemin": 0, "aria-valuemax": this.last });
    image.setAttribute("aria-hidden", "true");
    plot.append(this.marker, this.value);
    this.select(this.last);
  }

  get last() {
    return this.labels.length - 1;
  }

  setAttributes(attributes) {
    for (const [name, value] of Object.entries(attributes)) this.plot.setAttribute(name, value);
  }

  select(index) {
    this.index = Math.min(Math.max(index, 0), this.last);
    this.setAttributes({ "aria-valuenow": this.index, "aria-valuetext": this.labels[this.index] });
    const share = this.isColumns ? (this.index + 0.5) / (this.last + 1) : this.index / Math.max(1, this.last);
    this.marker.style.left = `${share * 100}%`;
    this.value.style.left = `${share * 100}%`;
    this.value.style.translate = `${share * -100}%`; // never beyond an edge
    this.value.textContent = this.labels[this.index];
  }

  show(isShown) {
    this.marker.hidden = !isShown;
    this.value.hidden = !isShown;
  }

  handlePointer(event) {
    const { left, width } = this.plot.getBoundingClientRect();
    const share = (event.clientX - left) / width;
    this.select(this.isColumns ? Math.floor(share * (this.last + 1)) : Math.round(share * this.last));
    this.show(true);
  }

  handleKey(event) {
    const step = KEYS[event.key];
    if (!step) return;
    event.preventDefault();
    this.select(this.index + step);
  }
}

export function initCharts() {
  for (const plot of document.querySelectorAll("[data-chart]")) {
    const chart = new Chart(plot);
    plot.addEventListener("pointermove", (event) => chart.handlePointer(event));
    plot.addEventListener("pointerdown", (event) => chart.handlePointer(event));
    plot.addEventListener("pointerleave", () => chart.show(document.activeElement === plot));
    plot.addEventListener("focus", () => chart.show(true));
    plot.addEventListener("blur", () => chart.show(false));
    plot.addEventListener("keydown", (event) => chart.handleKey(event));
  }
}
