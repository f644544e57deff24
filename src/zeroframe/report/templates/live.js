"use strict";
const one = (id) => document.getElementById(id);
const MOST_ROWS = 120; // on the page; all of them are counted
const rows = new Map();
let names = [];
let version = 0;
const dismissed = new Set();

function made(name, words, className) {
  const element = document.createElement(name);
  if (words !== undefined) element.textContent = words;
  if (className) element.className = className;
  return element;
}

function figure(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1e5 ? value.toFixed(0) : Number(value.toPrecision(digits)).toString();
}

// with as many decimals as its noise deserves
function level(row) {
  if (row.level === null) return "–";
  const decimals = row.noise > 0 ? Math.min(Math.max(2 - Math.floor(Math.log10(row.noise)), 0), 6) : 2;
  return `${Math.abs(row.level) >= 1e9 ? figure(row.level) : row.level.toFixed(decimals)} ${row.unit}`;
}

function percent(fraction) {
  if (fraction === null || fraction === undefined) return "–";
  return fraction === 0 ? "none" : `${Number((100 * fraction).toPrecision(2))} %`;
}

function exposure(seconds) { return seconds === null ? "–" : `${figure(seconds)} s`; }
function what(row) {
  const own = row.object.toLowerCase() === row.kind ? "" : row.object;
  const filter = row.kind === "bias" || row.kind === "dark" ? "" : row.filter;
  return [row.kind || "unknown kind", own, filter].filter(Boolean).join(" · ");
}
function clock(seconds) { return new Date(seconds * 1000).toLocaleTimeString(); }

function worst(row) {
  if (row.state === "failed") return "error";
  const found = ["error", "warning"].find((severity) => row.findings.some((each) => each.severity === severity));
  return found || (row.state === "left out" ? "warning" : "");
}

function findingLine(finding) {
  const line = made("span", `${finding.code} ${finding.sentence}`, `finding ${finding.severity}`);
  line.title = finding.remedy;
  return line;
}

function picture(row) {
  if (!row.pictured) return made("span", "–");
  const link = made("a");
  link.href = `frame/${row.id}/`;
  const image = made("img");
  image.src = `picture/${row.id}`;
  image.alt = `${row.kind} ${row.name}`;
  image.loading = "lazy";
  link.append(image);
  return link;
}

function state(row) {
  const used = row.used.length ? ` with ${row.used.join(", ")}` : "";
  return row.state === "seen" ? "waits to be calibrated" : `${row.state}${row.reason ? `: ${row.reason}` : used}`;
}

function tableRow(row) {
  const line = made("tr", undefined, worst(row));
  line.dataset.name = row.name;
  const head = made("th", row.name);
  head.scope = "row";
  head.append(made("span", ` ${clock(row.arrived)}`, "age"));
  const cell = (words, label, className) => {
    const one_ = made("td", words, className);
    if (label) one_.dataset.label = label;
    return one_;
  };
  const shown = cell(undefined, "", "picture");
  shown.append(picture(row));
  const findings = cell(undefined, "", "findings");
  findings.append(...row.findings.map(findingLine));
  line.append(head, shown, cell(what(row), "kind"), cell(exposure(row.exposure), "exposure", "figure"),
    cell(level(row), "level", "figure"), cell(figure(row.noise), "noise", "figure"),
    cell(percent(row.saturated), "saturated", "figure"), cell(state(row), "", "state"), findings);
  return line;
}

function showNewest(row) {
  const box = one("newest");
  box.hidden = !row;
  if (!row) return;
  const words = made("div");
  const list = made("dl");
  for (const [label, value] of [["kind", what(row)], ["exposure", exposure(row.exposure)],
    ["level, sky", level(row)], ["noise of a pixel", figure(row.noise)], ["saturated", percent(row.saturated)],
    ["state", state(row)]]) list.append(made("dt", label), made("dd", value));
  words.append(made("h2", row.name), list, ...row.findings.map(findingLine));
  box.replaceChildren(picture(row), words);
}

// what has to be taken again is said at the top until somebody has read it
function showAlarm() {
  const loud = [...rows.values()].filter((row) => !dismissed.has(row.name) && (row.state === "failed"
    || row.findings.some((each) => each.severity !== "note" && each.sentence.includes("saturated"))));
  const box = one("alarm");
  box.hidden = !loud.length;
  if (!loud.length) return;
  const read = made("button", "I have read it");
  read.type = "button";
  read.addEventListener("click", () => { loud.forEach((row) => dismissed.add(row.name)); showAlarm(); });
  box.replaceChildren(...loud.slice(-5).flatMap((row) => [made("strong", `${row.name} may have to be taken again`),
    made("p", row.reason || row.findings.map((each) => each.sentence).join("; "))]), read);
}

function show(news) {
  names = news.names;
  news.rows.forEach((row) => rows.set(row.name, row));
  const known = new Set(names);
  [...rows.keys()].filter((name) => !known.has(name)).forEach((name) => rows.delete(name));
  one("status").textContent = news.status;
  const changed = new Set(news.rows.map((row) => row.name));
  const body = one("frames");
  const present = new Map([...body.children].map((line) => [line.dataset.name, line]));
  const wanted = names.slice(-MOST_ROWS).reverse();
  const lines = wanted.map((name) => (present.has(name) && !changed.has(name) ? present.get(name) : tableRow(rows.get(name))));
  body.replaceChildren(...lines);
  showNewest(names.length ? rows.get(names[names.length - 1]) : null);
  showAlarm();
  one("count").textContent = names.length ? `(${names.length})` : "";
  const kinds = new Map();
  rows.forEach((row) => kinds.set(row.kind || "unknown kind", (kinds.get(row.kind || "unknown kind") || 0) + 1));
  const more = names.length > MOST_ROWS ? `; the last ${MOST_ROWS} are shown` : "";
  one("counts").textContent = [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ") + more;
  one("night").replaceChildren(...(news.findings.length
    ? news.findings.map((each) => { const item = made("li"); item.append(findingLine(each)); return item; })
    : [made("li", "Nothing is odd so far.", "good")]));
  version = news.version;
}

async function follow() {
  for (;;) {
    try {
      const answer = await fetch(`news/${version}`);
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
      document.body.dataset.version = String(version);
    } catch {
      one("status").textContent = "zeroframe watch has ended, or does not answer; this page shows what was known";
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

follow();
