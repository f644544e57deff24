// ---- the page: files, buttons, mouse, touch and keys

const KEY_WORDS = [
  ["arrow keys", "move the cursor; with Shift by ten, with Alt the image"], ["+ −", "zoom"], ["F", "fit the whole image"],
  ["Z", "a pixel of the file is a pixel of the screen"], ["1 to 9", "images"], ["Space", "the next image"], ["B", "blink"],
  ["S", "begin or end a section at the cursor; arrow keys span it"], ["C, N", "copy the section for FITS, for numpy"],
  ["Escape", "remove the section"], ["M", "mask on or off"], ["A", "amplifiers on or off"], ["P", "profiles"],
  ["[ ]", "keep fewer or more of the values"], ["I", "invert"], ["G", "go to a pixel"], ["?", "these keys"],
];
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const { pictures } = told;
const settings = { keep: 99, curve: "linear", invert: false, same: false, section: false, profile: false, timer: 0 };
let anchor = null; // where a section was begun by key
let drawing = 0;

pictures.forEach((picture) => {
  picture.limits = limitsFor(picture, settings.keep);
  (picture.mask ? picture.mask.bits : []).forEach((bit) => { bit.on = bit.count > 0; });
  picture.stretch = new Stretch(...picture.limits, settings.curve, settings.invert);
});
const stage = new Stage(one("#stage"), pictures, drawn);

function say(words) { one("#said").textContent = words; }

function drawn() {
  facts(one("#cursor"), cursorFacts(stage));
  const size = 1 / stage.scale;
  one("#zoom").textContent = size >= 1 ? `${rounded(Number(size.toPrecision(3)))}:1` : `1:${rounded(Number((1 / size).toPrecision(3)))}`;
  if (settings.profile) drawProfiles(stage);
  const failed = stage.picture.pyramid.failed || (stage.picture.maskPyramid && stage.picture.maskPyramid.failed);
  if (failed && one("#said").textContent !== failed) say(failed);
  drawing += 1;
}

function restretch() {
  const { picture } = stage;
  for (const each of settings.same ? pictures : [picture]) {
    if (settings.same) each.limits = [...picture.limits];
    each.stretch = new Stretch(...each.limits, settings.curve, settings.invert);
  }
  if (picture.stretch.curve !== settings.curve || picture.stretch.invert !== settings.invert) {
    picture.stretch = new Stretch(...picture.limits, settings.curve, settings.invert);
  }
  one("#low").value = rounded(picture.limits[0]);
  one("#high").value = rounded(picture.limits[1]);
  one("#percent").value = String(settings.keep);
  one("#curve").value = settings.curve;
  one("#invert").checked = settings.invert;
  drawHistogram(picture);
  stage.ask();
}

function keep(percent) {
  settings.keep = percent;
  if (percent !== "own") pictures.forEach((each) => { each.limits = limitsFor(each, percent); });
  pictures.forEach((each) => { each.stretch = new Stretch(...each.limits, settings.curve, settings.invert); });
  restretch();
}

function ownLimits() {
  const [low, high] = [Number(one("#low").value.replace("−", "-")), Number(one("#high").value.replace("−", "-"))];
  const wrong = !(low < high);
  one("#low").setAttribute("aria-invalid", String(wrong));
  one("#high").setAttribute("aria-invalid", String(wrong));
  if (wrong) return say("black has to be a number below white");
  stage.picture.limits = [low, high];
  settings.keep = "own";
  return restretch();
}

function show(number, aloud = true) {
  stage.current = (number + pictures.length) % pictures.length;
  document.querySelectorAll("#files button").forEach((button, at) => {
    button.setAttribute("aria-selected", String(at === stage.current));
    button.tabIndex = at === stage.current ? 0 : -1;
  });
  const { picture } = stage;
  listBits(picture, () => stage.ask());
  listMarks(picture);
  describeFile(picture);
  if (stage.fitted) stage.fit();
  restretch();
  showSection();
  if (aloud) say(`${picture.title} shown`);
}

function blink(on) {
  window.clearInterval(settings.timer);
  // slower than once a second when someone asked for less motion, never faster than twice
  settings.timer = on ? window.setInterval(() => show(stage.current + 1, false), still.matches ? 2000 : 700) : 0;
  one("[data-do=blink]").setAttribute("aria-pressed", String(on));
}

// ---- sections

async function showSection() {
  const box = stage.section && ownBox(stage.picture, stage.section);
  one("#section").hidden = !box;
  stage.ask();
  if (!box) return;
  one("#fits").textContent = fitsSection(box);
  one("#numpy").textContent = numpySection(box);
  if (anchor) return;
  const asked = fitsSection(box) + stage.current;
  facts(one("#statistics"), [["", "…"]]);
  let found;
  try { found = await statistics(stage.picture, box); } catch (error) { found = [["", error.message]]; }
  if (stage.section && asked === fitsSection(ownBox(stage.picture, stage.section) || [0, 0, 0, 0]) + stage.current) {
    facts(one("#statistics"), found);
  }
}

function spanSection(from, to) {
  stage.section = [Math.min(from[0], to[0]), Math.max(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[1], to[1])];
}

function markByKey() {
  if (!stage.cursor) moveCursor(0, 0);
  if (anchor) {
    anchor = null;
    showSection();
    say(`Section ${one("#fits").textContent}`);
  } else {
    anchor = [...stage.cursor];
    spanSection(anchor, anchor);
    showSection();
    say("Section begun; span it with the arrow keys, S ends it");
  }
}

async function copy(which) {
  const text = one(`#${which}`).textContent;
  if (one("#section").hidden) return say("no section is chosen");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = made("textarea", text); // where the browser gives a page in a file no clipboard
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    one("#stage").focus();
  }
  return say(`${text} copied`);
}

// ---- the cursor

function moveCursor(dx, dy) {
  const [ny, nx] = stage.picture.shape;
  const [ox, oy] = stage.picture.origin;
  const [x, y] = stage.cursor || stage.centre.map(Math.floor);
  stage.cursor = [Math.min(Math.max(x + dx, ox), ox + nx - 1), Math.min(Math.max(y + dy, oy), oy + ny - 1)];
  if (anchor) { spanSection(anchor, stage.cursor); showSection(); }
  stage.reveal(...stage.cursor);
  const own = ownBox(stage.picture, [stage.cursor[0], stage.cursor[0], stage.cursor[1], stage.cursor[1]]);
  say(own ? cursorFacts(stage).map((pair) => pair.join(" ")).join(", ") : "");
}

function goTo(text) {
  const found = text.match(/^\s*\[?\s*(\d+)\s*[,\s]\s*(\d+)\s*\]?\s*$/);
  if (!found) return say("give x and y, as 1024, 2048");
  const [ox, oy] = stage.picture.origin;
  stage.cursor = [Number(found[1]) - 1 + ox, Number(found[2]) - 1 + oy];
  moveCursor(0, 0);
  stage.centre = stage.cursor.map((each) => each + 0.5);
  return stage.zoom(Math.min(stage.scale, 0.125));
}

// ---- buttons

function pressed(name, on) { one(`[data-do=${name}]`).setAttribute("aria-pressed", String(on)); }

const DO = {
  blink: () => blink(!settings.timer),
  in: () => stage.zoom(stage.scale / 2, cursorPlace()),
  out: () => stage.zoom(stage.scale * 2, cursorPlace()),
  fit: () => stage.fit(),
  one: () => stage.zoom(1, cursorPlace()),
  section: () => { settings.section = !settings.section; pressed("section", settings.section); },
  marks: () => { stage.showMarks = !stage.showMarks; pressed("marks", stage.showMarks); stage.ask(); },
  profile: () => {
    settings.profile = !settings.profile;
    pressed("profile", settings.profile);
    ["#rows", "#columns", "#profile-words"].forEach((id) => { one(id).hidden = !settings.profile; });
    one("#view").classList.toggle("with-profiles", settings.profile);
    stage.ask();
  },
  help: () => one("#help").showModal(),
  drop: () => { stage.section = null; anchor = null; showSection(); },
};

function cursorPlace() {
  if (!stage.cursor) return undefined;
  const [x, y] = stage.place(stage.cursor[0] + 0.5, stage.cursor[1] + 0.5);
  const inside = x >= 0 && y >= 0 && x <= stage.canvas.width && y <= stage.canvas.height;
  return inside ? [x, y] : undefined;
}

function toggleMask() {
  const { picture } = stage;
  if (!picture.mask) return say("this image has no mask");
  if (picture.chosen.size) picture.chosen.clear();
  else picture.mask.bits.forEach((bit) => picture.chosen.add(bit.value));
  listBits(picture, () => stage.ask());
  stage.ask();
  return say(picture.chosen.size ? "mask shown" : "mask hidden");
}

const KEEPS = [100, 99.9, 99.5, 99, 98, 95, 90];
function keepBy(by) {
  const at = KEEPS.indexOf(settings.keep);
  keep(KEEPS[Math.min(Math.max((at < 0 ? 3 : at) + by, 0), KEEPS.length - 1)]);
}

// ---- keys

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const KEYS = {
  "+": DO.in, "=": DO.in, "-": DO.out, "−": DO.out, f: DO.fit, z: DO.one, b: DO.blink, s: markByKey, m: toggleMask,
  a: DO.marks, p: DO.profile, "?": DO.help, g: () => one("#go-to").focus(), " ": () => { blink(false); show(stage.current + 1); },
  c: () => copy("fits"), n: () => copy("numpy"), Escape: () => { blink(false); DO.drop(); },
  "[": () => keepBy(1), "]": () => keepBy(-1), i: () => { settings.invert = !settings.invert; keep(settings.keep); },
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || one("#help").open) return;
  const inField = event.target.closest("input, select, textarea, button, summary");
  if (inField && !(event.target.closest("button") && event.key !== " " && event.key !== "Enter")) return;
  const arrow = ARROWS[event.key];
  const digit = /^[1-9]$/.test(event.key) && Number(event.key) <= pictures.length;
  if (arrow && event.target.closest("[role=tab]")) return;
  if (arrow && event.altKey) stage.move(-arrow[0] * 60, arrow[1] * 60);
  else if (arrow) moveCursor(...arrow.map((each) => each * (event.shiftKey ? 10 : 1)));
  else if (digit) { blink(false); show(Number(event.key) - 1); }
  else if (KEYS[event.key] || KEYS[event.key.toLowerCase()]) (KEYS[event.key] || KEYS[event.key.toLowerCase()])();
  else return;
  event.preventDefault();
}

// ---- mouse and touch

const pointers = new Map();
let drag = null;

function placeOf(event) {
  const box = stage.canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * stage.ratio, (event.clientY - box.top) * stage.ratio];
}

function pixelAt(place) {
  const [ny, nx] = stage.picture.shape;
  const [ox, oy] = stage.picture.origin;
  const [x, y] = stage.at(...place);
  return [Math.min(Math.max(Math.floor(x), ox), ox + nx - 1), Math.min(Math.max(Math.floor(y), oy), oy + ny - 1)];
}

function onDown(event) {
  stage.canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, placeOf(event));
  const place = placeOf(event);
  drag = { at: place, from: pixelAt(place), section: event.shiftKey || settings.section, moved: false };
}

function onMove(event) {
  const place = placeOf(event);
  if (pointers.size === 2 && pointers.has(event.pointerId)) return pinch(event.pointerId, place);
  if (!drag || !pointers.has(event.pointerId)) {
    stage.cursor = pixelAt(place);
    return stage.ask();
  }
  pointers.set(event.pointerId, place);
  drag.moved = drag.moved || Math.hypot(place[0] - drag.at[0], place[1] - drag.at[1]) > 3 * stage.ratio;
  stage.cursor = pixelAt(place);
  if (drag.section) {
    anchor = drag.from;
    spanSection(drag.from, pixelAt(place));
    showSection();
  } else if (drag.moved) {
    stage.move(place[0] - drag.at[0], place[1] - drag.at[1]);
    drag.at = place;
  }
  return stage.ask();
}

function pinch(id, place) {
  const [other] = [...pointers].filter(([each]) => each !== id).map(([, at]) => at);
  const before = Math.hypot(pointers.get(id)[0] - other[0], pointers.get(id)[1] - other[1]);
  const now = Math.hypot(place[0] - other[0], place[1] - other[1]);
  pointers.set(id, place);
  drag = null;
  stage.zoom((stage.scale * before) / Math.max(now, 1), [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2]);
}

function onUp(event) {
  pointers.delete(event.pointerId);
  if (drag && drag.section) {
    anchor = null;
    if (!drag.moved) stage.section = null;
    showSection();
    if (stage.section) say(`Section ${one("#fits").textContent}`);
  }
  drag = null;
}

function listen() {
  const { canvas } = stage;
  canvas.addEventListener("pointerdown", onDown);
  canvas.addEventListener("pointermove", onMove);
  canvas.addEventListener("pointerup", onUp);
  canvas.addEventListener("pointercancel", onUp);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    stage.zoom(stage.scale * 2 ** (Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY) / 200, 1)), placeOf(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => stage.zoom(Math.min(stage.scale / 4, 0.125), placeOf(event)));
  document.addEventListener("keydown", onKey);
  document.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => DO[button.dataset.do]()));
  document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button.dataset.copy)));
  one("#percent").addEventListener("change", (event) => keep(event.target.value === "own" ? "own" : Number(event.target.value)));
  one("#curve").addEventListener("change", (event) => { settings.curve = event.target.value; keep(settings.keep); });
  one("#invert").addEventListener("change", (event) => { settings.invert = event.target.checked; keep(settings.keep); });
  one("#same").addEventListener("change", (event) => { settings.same = event.target.checked; restretch(); });
  one("#low").addEventListener("change", ownLimits);
  one("#high").addEventListener("change", ownLimits);
  one("#go").addEventListener("submit", (event) => { event.preventDefault(); goTo(one("#go-to").value); one("#stage").focus(); });
  window.addEventListener("resize", () => drawHistogram(stage.picture));
}

function begin() {
  one("#files").replaceChildren(...pictures.map((picture, at) => {
    const button = made("button", picture.title, { type: "button" });
    button.setAttribute("role", "tab");
    button.addEventListener("click", () => { blink(false); show(at); });
    button.addEventListener("keydown", (event) => {
      if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
      show(stage.current + (event.key === "ArrowRight" ? 1 : -1));
      document.querySelectorAll("#files button")[stage.current].focus();
    });
    return button;
  }));
  one("[data-do=blink]").hidden = pictures.length < 2;
  one("[data-do=marks]").hidden = !pictures.some((picture) => picture.marks.length);
  facts(one("#keys"), KEY_WORDS);
  listen();
  stage.resized();
  show(0, false);
}

begin();
