// ---- panels: what stands beside the image

const MOST_IN_STATISTICS = 16e6;
const one = (selector) => document.querySelector(selector);

function made(name, words, of = {}) {
  const element = document.createElement(name);
  if (words !== undefined) element.textContent = words;
  Object.assign(element, of);
  return element;
}

// a value as it stands in the file: all digits of whole numbers, as many of others as tell them apart in its type
function valueWords(picture, value) {
  if (value === undefined) return "…";
  if (Number.isNaN(value)) return "NaN";
  if (picture.whole) return String(value);
  return picture.type === "float64" ? String(value) : shortest(value);
}

// the shortest decimal number that is this one of 32 bits
function shortest(value) {
  for (let digits = 1; digits <= 9; digits += 1) {
    const found = Number(value.toPrecision(digits));
    if (Math.fround(found) === value) return String(found);
  }
  return String(value);
}

function rounded(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value);
}

function facts(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([label, words]) => [made("dt", label), made("dd", words)]));
}

function fitsSection([x1, x2, y1, y2]) { return `[${x1 + 1}:${x2 + 1},${y1 + 1}:${y2 + 1}]`; }
function numpySection([x1, x2, y1, y2]) { return `[${y1}:${y2 + 1}, ${x1}:${x2 + 1}]`; }

// in pixels of the picture itself, inside of it; null where it lies outside
function ownBox(picture, box) {
  const [ny, nx] = picture.shape;
  const [ox, oy] = picture.origin;
  const own = [box[0] - ox, box[1] - ox, box[2] - oy, box[3] - oy].map(Math.round);
  const inside = [Math.max(own[0], 0), Math.min(own[1], nx - 1), Math.max(own[2], 0), Math.min(own[3], ny - 1)];
  return inside[0] <= inside[1] && inside[2] <= inside[3] ? inside : null;
}

function cursorFacts(stage) {
  const { picture, cursor } = stage;
  if (!cursor) return [["", "Move over the image, or use the arrow keys."]];
  const own = ownBox(picture, [cursor[0], cursor[0], cursor[1], cursor[1]]);
  if (!own) return [["", "outside of the image"]];
  const [x, , y] = own;
  const level = picture.levels.find((each) => each.there);
  const value = picture.pyramid.valueAt(x, y);
  const words = level.factor === 1 ? valueWords(picture, value) : value === undefined ? "…" : rounded(value);
  const found = [
    ["x, y", `${x + 1}, ${y + 1}`],
    ["numpy", `[${y}, ${x}]`],
    [level.factor === 1 ? "value" : `mean of ${level.factor} × ${level.factor}`, `${words} ${picture.unit}`],
  ];
  if (picture.origin.some((each) => each)) found.push(["raw x, y", `${cursor[0] + 1}, ${cursor[1] + 1}`]);
  if (picture.mask) {
    const bits = picture.maskPyramid.valueAt(x, y);
    const names = picture.mask.bits.filter((bit) => bits & bit.value).map((bit) => bit.name);
    found.push(["mask", bits === undefined ? "…" : names.join(", ") || "good"]);
  }
  const around = picture.marks.filter(({ box }) => box[0] <= x + 1 && x + 1 <= box[1] && box[2] <= y + 1 && y + 1 <= box[3]);
  if (around.length) found.push(["in", around.map((mark) => mark.name).join(", ")]);
  return found;
}

function drawHistogram(picture) {
  const canvas = one("#histogram");
  const ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  canvas.width = Math.max(box.width * ratio, 1);
  canvas.height = Math.max(box.height * ratio, 1);
  const context = canvas.getContext("2d");
  const { counts, low, width } = picture.histogram;
  const style = window.getComputedStyle(canvas);
  if (!counts.length) return;
  const place = (value) => ((value - low) / (width * counts.length)) * canvas.width;
  const most = Math.log1p(Math.max(...counts));
  context.fillStyle = style.getPropertyValue("--bar");
  counts.forEach((count, at) => {
    const height = (Math.log1p(count) / most) * (canvas.height - 2);
    const left = (at / counts.length) * canvas.width;
    context.fillRect(left, canvas.height - height, canvas.width / counts.length + 0.5, height);
  });
  context.fillStyle = style.getPropertyValue("--limit");
  for (const value of [picture.stretch.low, picture.stretch.high]) {
    context.fillRect(Math.min(Math.max(place(value), 0), canvas.width - 2 * ratio), 0, 2 * ratio, canvas.height);
  }
  const [rows, all, columns] = picture.sampled;
  const whose = rows === all ? "all rows" : `${rows.toLocaleString("en")} of ${all.toLocaleString("en")} rows`;
  const part = columns < picture.shape[1] || all < picture.shape[0] ? " of pixels that see light" : "";
  const unit = picture.unit ? ` ${picture.unit}` : "";
  one("#histogram-words").textContent = `${rounded(low)} to ${rounded(low + width * counts.length)}${unit}; ${whose}${part}; heights are logarithms`;
}

// ---- statistics of a section, of every pixel of it

async function sectionValues(picture, box) {
  const level = picture.levels.findIndex((each) => each.there);
  const { factor } = picture.levels[level];
  const count = ((box[1] - box[0] + 1) * (box[3] - box[2] + 1)) / factor ** 2;
  if (count > MOST_IN_STATISTICS) return null;
  const tiles = picture.pyramid.within(level, box);
  const found = [];
  for (const tile of tiles) {
    await picture.pyramid.loaded(tile, level);
    const [x0, y0] = [tile.tx * picture.tile, tile.ty * picture.tile];
    const [left, right] = [Math.max(Math.floor(box[0] / factor) - x0, 0), Math.min(Math.floor(box[1] / factor) - x0, tile.width - 1)];
    const [first, last] = [Math.max(Math.floor(box[2] / factor) - y0, 0), Math.min(Math.floor(box[3] / factor) - y0, tile.height - 1)];
    for (let y = first; y <= last; y += 1) {
      found.push(tile.values.subarray(y * tile.width + left, y * tile.width + right + 1));
    }
  }
  return { rows: found, level: picture.levels[level] };
}

async function statistics(picture, box) {
  const found = await sectionValues(picture, box);
  const [nx, ny] = [box[1] - box[0] + 1, box[3] - box[2] + 1];
  const size = ["pixels", `${nx.toLocaleString("en")} × ${ny.toLocaleString("en")} = ${(nx * ny).toLocaleString("en")}`];
  if (!found) return [size, ["values", "too many for the browser; choose a smaller section"]];
  const { level, rows } = found;
  const kept = new Float64Array(rows.reduce((sum, row) => sum + row.length, 0));
  let count = 0;
  rows.forEach((row) => row.forEach((stored) => {
    const value = physical(level, stored);
    if (Number.isFinite(value)) { kept[count] = value; count += 1; }
  }));
  const values = kept.subarray(0, count).sort();
  if (!count) return [size, ["values", "none is finite"]];
  // about a first guess, so that levels of a million do not take the digits of the scatter
  const guess = values[count >> 1];
  const mean = guess + values.reduce((sum, value) => sum + (value - guess), 0) / count;
  const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(count - 1, 1));
  const median = count % 2 ? guess : (values[count / 2 - 1] + guess) / 2;
  const told = [size, ["mean", rounded(mean)], ["median", rounded(median)], ["scatter", rounded(spread)],
    ["least, most", `${rounded(values[0])}, ${rounded(values[count - 1])}`]];
  if (level.factor !== 1) told.push(["of", `means of ${level.factor} × ${level.factor} pixels`]);
  if (count < kept.length) told.push(["not finite", (kept.length - count).toLocaleString("en")]);
  return told;
}

// ---- profiles along the row and the column of the cursor

function lineThrough(stage, along) {
  const { picture, cursor } = stage;
  const own = cursor && ownBox(picture, [cursor[0], cursor[0], cursor[1], cursor[1]]);
  if (!own) return null;
  const { pyramid } = picture;
  const number = pyramid.levelFor(stage.scale);
  const level = pyramid.levels[number];
  const { seen } = stage;
  const box = along === "x" ? [seen[0], seen[1], own[2], own[2]] : [own[0], own[0], seen[2], seen[3]];
  const points = [];
  for (const tile of pyramid.within(number, box)) {
    if (!tile.values) {
      pyramid.load(tile, number);
      return null;
    }
    const [x0, y0] = [tile.tx * picture.tile, tile.ty * picture.tile];
    const length = along === "x" ? tile.width : tile.height;
    for (let at = 0; at < length; at += 1) {
      const place = along === "x" ? x0 + at : y0 + at;
      const stored = along === "x"
        ? tile.values[(Math.floor(own[2] / level.factor) - y0) * tile.width + at]
        : tile.values[at * tile.width + Math.floor(own[0] / level.factor) - x0];
      points.push([place * level.factor, physical(level, stored)]);
    }
  }
  const [first, last] = along === "x" ? [seen[0], seen[1]] : [seen[2], seen[3]];
  return { points: points.filter(([place]) => place >= first - level.factor && place <= last), factor: level.factor, own };
}

function drawProfile(stage, along) {
  const canvas = one(along === "x" ? "#rows" : "#columns");
  const ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  canvas.width = Math.max(Math.round(box.width * ratio), 1);
  canvas.height = Math.max(Math.round(box.height * ratio), 1);
  const context = canvas.getContext("2d");
  const line = lineThrough(stage, along);
  if (!line || !line.points.length) return null;
  const finite = line.points.map(([, value]) => value).filter(Number.isFinite);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const reach = most - least || 1;
  const across = along === "x" ? canvas.height : canvas.width;
  const [ox, oy] = stage.picture.origin;
  const shade = (value) => ((value - least) / reach) * (across - 8 * ratio) + 4 * ratio;
  context.strokeStyle = window.getComputedStyle(canvas).getPropertyValue("--bar");
  context.lineWidth = ratio;
  context.beginPath();
  line.points.forEach(([place, value]) => {
    for (const end of [place, place + line.factor]) { // steps: a pixel has one value
      const [px, py] = stage.place(end + ox, end + oy);
      if (along === "x") context.lineTo(px, canvas.height - shade(value));
      else context.lineTo(shade(value), py);
    }
  });
  context.stroke();
  const name = along === "x" ? `row ${line.own[2] + 1}` : `column ${line.own[0] + 1}`;
  const each = line.factor === 1 ? "" : `, means of ${line.factor} × ${line.factor} pixels`;
  return `${name}: ${rounded(least)} to ${rounded(most)}${each}`;
}

function drawProfiles(stage) {
  const words = ["x", "y"].map((along) => drawProfile(stage, along)).filter(Boolean);
  one("#profile-words").textContent = words.length ? words.join("; ") : "Profiles go through the cursor: move it over the image.";
}

// ---- lists

function listBits(picture, changed) {
  one("#mask-panel").hidden = !picture.mask;
  if (!picture.mask) return;
  const total = picture.shape[0] * picture.shape[1];
  one("#bits").replaceChildren(...picture.mask.bits.map((bit) => {
    const item = made("li");
    const label = made("label");
    const box = made("input", undefined, { type: "checkbox", checked: picture.chosen.has(bit.value) });
    box.dataset.bit = bit.name;
    box.addEventListener("change", () => {
      if (box.checked) picture.chosen.add(bit.value); else picture.chosen.delete(bit.value);
      changed();
    });
    const colour = made("span", undefined, { className: "colour" });
    colour.style.setProperty("background", bitColour(bit.value));
    const share = bit.count ? `${bit.count.toLocaleString("en")} pixels, ${rounded(Number(((100 * bit.count) / total).toPrecision(2)))} %` : "none";
    label.append(box, colour, made("strong", bit.name), ` ${share}`);
    item.append(label);
    if (bit.meaning) item.append(made("span", bit.meaning, { className: "hint" }));
    return item;
  }));
}

function listMarks(picture) {
  one("#mark-panel").hidden = !picture.marks.length;
  one("#marks").replaceChildren(...picture.marks.map((mark) => {
    const item = made("li");
    const colour = made("span", undefined, { className: "colour" });
    colour.style.setProperty("background", ROLE_COLOURS[mark.role]);
    const [x1, x2, y1, y2] = mark.box;
    item.append(colour, made("strong", mark.name), ` [${x1}:${x2},${y1}:${y2}]`);
    item.append(made("span", [mark.facts, `by the ${mark.source}`].filter(Boolean).join("; "), { className: "hint" }));
    return item;
  }));
}

function describeFile(picture) {
  const [ny, nx] = picture.shape;
  one("#file-words").textContent = `${picture.title}: ${nx.toLocaleString("en")} × ${ny.toLocaleString("en")} pixels, ${picture.type}${picture.unit ? `, ${picture.unit}` : ", without a unit"}`;
  one("#remarks").replaceChildren(...picture.remarks.map((text) => made("li", text)));
  one("#header").textContent = picture.header;
  one("#header").parentElement.hidden = !picture.header;
}
