// The note above a tutorial also offers its notebook, and says what it needs.  Pictures
// of tutorials in their list get an alternative text.
// Lists show the entries in which each word of the filter begins a word, or else those
// that contain all words.  Entries whose module is one of the words come first, then
// those with whole words.  If no entry contains all words, entries are shown in which a
// word of the filter begins a word, those with most such words first.  The potential is
// also called membrane.  On a phone, groups of entries are open while a filter is used.
addEventListener("DOMContentLoaded", () => {
  const note = document.querySelector(".sphx-glr-download-link-note");
  note?.append(document.querySelector(".sphx-glr-download-jupyter").cloneNode(true));
  note?.insertAdjacentHTML("beforeend", 'Script and notebook need <a href="index.html">refsnn' + (
    location.pathname.includes("pytorch") ? ", Matplotlib and PyTorch" :
    " and Matplotlib") + "</a>; the notebook also needs Jupyter.");
  for (const one of document.querySelectorAll(".sphx-glr-thumbcontainer"))
    one.querySelector("img").alt = one.getAttribute("tooltip");
  const box = document.getElementById("filter");
  if (!box) return;
  const lists = [...document.querySelectorAll(".filtered")];
  const told = document.querySelector("output");
  const plain = text => text.toLowerCase().replace(/\bpotential(s?)\b/g, "membrane$1");
  const entries = lists.flatMap(list => [...list.children]).map((entry, place) => ({
    entry, place, text: plain(entry.textContent), list: entry.parentElement,
    module: entry.querySelector("a").textContent.toLowerCase().split(" (")[0]}));
  const show = () => {
    const words = plain(box.value).split(/\s+/).filter(word => word);
    const matches = words.map(word => word.replace(/[^\w\s]/g, "\\$&")).map(word =>
      [`(?<!\\w)${word}(?!\\w)`, `(?<!\\w)${word}`, word].map(part => new RegExp(part)));
    for (const one of entries)
      one.rank = words.includes(one.module) ? 0 : 1 + [0, 1, 2, 3].find(kind =>
        kind == 3 || matches.every(match => match[kind].test(one.text)));
    for (const one of entries)
      if (!one.rank && !matches.every(match => match[2].test(one.text))) one.rank = 4;
    const any = entries.some(one => one.rank < 4);
    for (const one of any ? [] : entries)
      one.rank += words.length - matches.filter(match => match[1].test(one.text)).length;
    const most = !any ? 4 + words.length : entries.some(one => one.rank < 3) ? 3 : 4;
    const sorted = [...entries].sort((a, b) => a.rank - b.rank || a.place - b.place);
    for (const {entry, list, rank} of sorted) {
      entry.hidden = rank >= most;
      list.append(entry);
    }
    for (const list of lists.length > 1 ? lists : []) {
      list.closest("section").hidden = !list.querySelector(":scope > :not([hidden])");
      list.closest("details").open = words.length > 0 || innerWidth > 640;
    }
    told.textContent = (any ? "" : "No entry has all words. ") +
      `${entries.filter(one => !one.entry.hidden).length} of ${entries.length} ` +
      told.dataset.of;
  };
  box.addEventListener("input", show);
  show();
});
