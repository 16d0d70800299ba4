"use strict";
(() => {
  const source = document.getElementById("label-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const table = document.getElementById("label-table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const byId = (id) => document.getElementById(id);
  const [search, ofClass, ofDoubt] = ["find", "of-class", "of-doubt"].map(byId);
  const [first, before, after, last] = ["first", "before", "after", "last"].map(byId);
  const keys = data.columns.map((column) => column[0]);
  const values = Object.fromEntries(keys.map((key, n) => [key, data.values[n]]));
  const all = [...values.position.keys()];
  const collator = new Intl.Collator(undefined, { numeric: true });
  let sortedBy = 0, descending = false, page = 0, found = all;

  const doubts = (mask) => data.doubts.filter((_, bit) => (mask >> bit) & 1);
  const numeral = (value) =>
    value === null ? "–" : String(value).replace("-", "\u2212");

  // An influence and its error show two digits of the error.
  function rounded(row) {
    const error = values.influence_se[row];
    if (error === null || error <= 0) return numeral;
    const digits = Math.max(0, 1 - Number(error.toExponential(1).split("e")[1]));
    return (value) => numeral(value === null ? null : value.toFixed(digits));
  }

  function text(column, row) {
    const value = data.values[column][row];
    const [key, , kind] = data.columns[column];
    if (key === "influence" || key === "influence_se") return rounded(row)(value);
    if (kind === "doubts") return doubts(value).join(", ");
    if (kind === "class") return value === null ? "–" : data.classes[value];
    return kind === "number" ? numeral(value) : value;
  }

  function compare(a, b) {
    const kind = data.columns[sortedBy][2];
    const sign = descending ? -1 : 1;
    let [x, y] = [data.values[sortedBy][a], data.values[sortedBy][b]];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    if (kind === "class") [x, y] = [data.classes[x], data.classes[y]];
    if (kind === "doubts") [x, y] = [doubts(x).length, doubts(y).length];
    const order = typeof x === "string" ? collator.compare(x, y) : x - y;
    return sign * order || a - b;
  }

  function filter() {
    const words = search.value.trim().toLowerCase();
    const label = ofClass.value === "" ? null : Number(ofClass.value);
    const doubt = ofDoubt.value;
    found = all.filter((row) => {
      const mask = values.doubts[row];
      if (label !== null && values.label[row] !== label) return false;
      if (doubt === "any" && !mask) return false;
      if (doubt === "none" && mask) return false;
      if (/^\d+$/.test(doubt) && !((mask >> Number(doubt)) & 1)) return false;
      if (!words) return true;
      return values.id[row].toLowerCase().includes(words);
    });
    found.sort(compare);
    page = 0;
    show();
  }

  function cell(column, row) {
    const td = document.createElement(column === 1 ? "th" : "td");
    if (column === 1) td.scope = "row";
    const kind = data.columns[column][2];
    if (kind === "number") td.className = "number";
    const part = document.createElement(kind === "number" ? "span" : "bdi");
    part.textContent = text(column, row);
    td.append(part);
    return td;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / data.page));
    const begin = page * data.page;
    const rows = found.slice(begin, begin + data.page).map((row) => {
      const tr = document.createElement("tr");
      tr.append(...data.columns.map((_, column) => cell(column, row)));
      return tr;
    });
    body.replaceChildren(...rows);
    heads.forEach((head, column) => {
      const order = descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", column === sortedBy ? order : "none");
    });
    // Not disabled, as a button that has the focus would lose it then.
    for (const button of [first, before])
      button.setAttribute("aria-disabled", String(page === 0));
    for (const button of [after, last])
      button.setAttribute("aria-disabled", String(page === pages - 1));
    const of = found.length === all.length ? "" : ` (of ${all.length})`;
    const how = `${data.columns[sortedBy][1]}, ${descending ? "descending" : "ascending"}`;
    byId("shown").textContent = found.length
      ? `Labels ${begin + 1} to ${begin + rows.length} of ${found.length}${of}, by ${how}`
      : `No label is like that, of ${all.length}`;
  }

  function go(to) {
    const pages = Math.max(1, Math.ceil(found.length / data.page));
    const target = Math.min(Math.max(to(page, pages), 0), pages - 1);
    if (target === page) return;
    page = target;
    show();
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const largestFirst = ["number", "doubts"].includes(data.columns[column][2]);
      descending = sortedBy === column ? !descending : largestFirst;
      sortedBy = column;
      found.sort(compare);
      page = 0;
      show();
    });
    head.append(button);
  });
  first.addEventListener("click", () => go(() => 0));
  before.addEventListener("click", () => go((now) => now - 1));
  after.addEventListener("click", () => go((now) => now + 1));
  last.addEventListener("click", () => go((_, pages) => pages - 1));
  let waiting;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 150);
  });
  for (const choice of [ofClass, ofDoubt]) choice.addEventListener("change", filter);
  for (const part of document.querySelectorAll("[data-scripted]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-plain]")) part.hidden = true;
  filter(); // A browser that comes back to the page may have kept what was typed.
  document.documentElement.dataset.ready = "yes";
})();
