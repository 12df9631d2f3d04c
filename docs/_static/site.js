// The index of equations shows the entries that contain all words of the filter.
addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("filter");
  if (!box) return;
  const entries = [...document.querySelectorAll(".filtered .entry")];
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/);
    for (const entry of entries) {
      const text = entry.textContent.toLowerCase();
      entry.hidden = !words.every(word => text.includes(word));
    }
    document.querySelector("output").textContent =
      `${entries.filter(entry => !entry.hidden).length} of ${entries.length} equations`;
  };
  box.addEventListener("input", show);
  show();
});
