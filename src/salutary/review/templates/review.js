"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const said = byId("said");
  const keys = byId("keys");
  const one = byId("label");
  const grid = byId("grid");
  let busy = false;

  const number = (text) => (text === undefined || text === "" ? null : Number(text));

  function say(text) {
    said.textContent = text;
    said.hidden = !text;
  }

  // Store a decision; what holds then comes back, also where it was refused.
  async function ask(row, expected, decision, code) {
    if (busy) return null;
    busy = true;
    say("");
    try {
      const answer = await fetch("decide", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ row, expected, decision, class: code }),
      });
      const found = await answer.json();
      byId("bar").value = found.decided;
      byId("progress").textContent = `${found.decided} of ${found.total} decided`;
      say(found.said);
      return { ...found, status: answer.status };
    } catch {
      say("Nothing was stored: the review does not answer. Start 'salutary review' again.");
      return null;
    } finally {
      busy = false;
    }
  }

  function go(place, more = "") {
    location.assign(`?order=${one.dataset.order}&place=${place}${more}`);
  }

  async function decideOne(decision, code) {
    const data = one.dataset;
    const own = decision !== "undo" || data.decision;
    if (!own && !data.previousDecision) return;
    const row = Number(own ? data.row : data.previousRow);
    const expected = number(own ? data.expected : data.previousExpected);
    const place = Number(own ? data.place : data.previousPlace);
    const found = await ask(row, expected, decision, code);
    if (!found) return;
    if (found.status === 409) go(place, "&clash=1");
    if (found.status !== 200) return;
    if (decision === "undo") go(place);
    else go(data.next === undefined ? place : data.next, `&before=${place}`);
  }

  async function decideRow(row, decision, code) {
    const data = row.dataset;
    if (decision === "undo" && !data.decision) return;
    const found = await ask(Number(data.row), number(data.expected), decision, code);
    if (!found || found.expected === undefined) return;
    data.expected = found.expected === null ? "" : found.expected;
    data.decision = found.decision;
    row.querySelector(".state bdi").textContent = found.words;
    if (found.status === 200 && decision !== "undo" && document.activeElement === row) {
      focus(row.nextElementSibling);
    }
  }

  function focus(row) {
    if (!row) return;
    for (const other of grid.tBodies[0].rows) other.tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
  }

  const decide = (target, decision, code) =>
    one ? decideOne(decision, code) : decideRow(target, decision, code);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-decision]");
    if (!button) return;
    decide(button.closest("tr"), button.dataset.decision, number(button.dataset.class));
  });

  byId("other")?.addEventListener("change", (event) => {
    if (event.target.value !== "") decide(null, "change", Number(event.target.value));
  });

  const simple = { a: "accept", r: "reject", u: "undo" };
  const ways = { ArrowLeft: "before", ArrowRight: "after", g: "to-grid" };

  document.addEventListener("keydown", (event) => {
    if (!keys.checked || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) return;
    const row = grid && document.activeElement.closest("tbody tr");
    if (grid && !row) return;
    const key = event.key;
    const named = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (key in simple) decide(row, simple[key], null);
    else if (key.length === 1 && named) decide(row, "change", number(named.dataset.class));
    else if (one && key in ways) byId(ways[key])?.click();
    else if (grid && key === "ArrowDown") focus(row.nextElementSibling);
    else if (grid && key === "ArrowUp") focus(row.previousElementSibling);
    else if (grid && key === "Enter" && document.activeElement === row) {
      row.querySelector("a").click();
    } else return;
    event.preventDefault();
  });

  try {
    keys.checked = localStorage.getItem("salutary-keys") !== "off";
    keys.addEventListener("change", () =>
      localStorage.setItem("salutary-keys", keys.checked ? "on" : "off"),
    );
  } catch {
    // A browser may keep nothing; then keys are on again on the next page.
  }
  if (grid) focus(grid.tBodies[0].rows[0]);
  document.documentElement.dataset.ready = "yes";
})();
