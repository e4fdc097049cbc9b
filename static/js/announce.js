// Have a screen reader read `text` aloud without showing it.
export function announce(text) {
  const region = document.getElementById("live-region");
  // A screen reader reads a text that is set again only if the region was empty in between.
  region.textContent = "";
  setTimeout(() => {
    region.textContent = text;
  }, 50);
}
