// A list shows the entries that contain all words of the filter.  Entries whose module
// is one of the words come first.
addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("filter");
  if (!box) return;
  const list = document.querySelector(".filtered"), entries = [...list.children];
  const told = document.querySelector("output");
  const module = entry => entry.querySelector("a").textContent.toLowerCase().split(" (")[0];
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/);
    const named = entries.filter(entry => words.includes(module(entry)));
    list.append(...named, ...entries.filter(entry => !named.includes(entry)));
    for (const entry of entries) {
      const text = entry.textContent.toLowerCase();
      entry.hidden = !words.every(word => text.includes(word));
    }
    told.textContent = `${entries.filter(entry => !entry.hidden).length} of ` +
      `${entries.length} ${told.dataset.of}`;
  };
  box.addEventListener("input", show);
  show();
});
