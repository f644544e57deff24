"use strict";
document.documentElement.classList.add("scripted");

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

function makeBlinker(figure) {
  const stage = figure.querySelector(".stage");
  const frames = [...stage.querySelectorAll(".frame")];
  const buttons = [...figure.querySelectorAll("[data-show]")];
  const auto = figure.querySelector("[data-auto]");
  const said = figure.querySelector("[aria-live]");
  let shown = 0;
  let timer = 0;

  function show(number, aloud) {
    shown = (number + frames.length) % frames.length;
    frames.forEach((frame, at) => frame.classList.toggle("shown", at === shown));
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === shown)));
    if (aloud) said.textContent = buttons[shown].textContent + " shown";
  }
  function blink(on) {
    window.clearInterval(timer);
    // slower than once a second when someone asked for less motion, never faster than twice
    timer = on ? window.setInterval(() => show(shown + 1, false), still.matches ? 2000 : 600) : 0;
    auto.setAttribute("aria-pressed", String(on));
  }
  function step(by) {
    blink(false);
    show(shown + by, true);
  }

  buttons.forEach((button, at) => button.addEventListener("click", () => { blink(false); show(at, true); }));
  auto.addEventListener("click", () => blink(!timer));
  stage.addEventListener("click", () => step(1));
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { " ": 1, Enter: 1, ArrowRight: 1, ArrowLeft: -1 };
    if (event.key in steps) step(steps[event.key]);
    else if (event.key === "b" || event.key === "B") blink(!timer);
    else if (event.key === "Escape") blink(false);
    else return;
    event.preventDefault();
  });
  show(0, false);
}

document.querySelectorAll(".blink").forEach((figure) => {
  if (figure.querySelector("[data-auto]")) makeBlinker(figure);
  else figure.querySelector(".frame").classList.add("shown");
});

// paper cannot be unfolded; the numbers of a plot can be read off it
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open], .numbers)")];
  folded.forEach((details) => { details.open = true; });
});
window.addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));

// ---- a closer look: pictures of the report in the viewer, with the values that their shades stand for

const NO_VALUE = -(2 ** 31);
const WHITE = 254;
const PERCENTS = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 100];

async function through(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

function bytesOf(text) { return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)); }

function textOf(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

// steps of the shades, row 0 first, which stands at the bottom of the picture
function stepsOf(image) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  const steps = new Int32Array(width * height);
  for (let at = 0; at < steps.length; at += 1) {
    const from = 4 * ((height - 1 - Math.floor(at / width)) * width + (at % width));
    steps[at] = data[from] === data[from + 2] ? Math.round((data[from] * WHITE) / 255) : NO_VALUE;
  }
  return { steps, shape: [height, width] };
}

async function asPicture(image, number) {
  const { low, high, unit, block, ny, nx, title, file } = image.dataset;
  const [first, last, factor] = [Number(low), Number(high), Number(block)];
  const { steps, shape } = stepsOf(image);
  const step = (last - first) / WHITE;
  const known = steps.filter((each) => each !== NO_VALUE).sort();
  const at = (percent) => first + step * known[Math.round((percent / 100) * (known.length - 1))];
  const counts = new Array(WHITE + 1).fill(0);
  known.forEach((each) => { counts[each] += 1; });
  const values = factor === 1 ? Float32Array.from(steps, (each) => (each === NO_VALUE ? undefined : first + step * each)) : steps;
  const bytes = new Uint8Array(values.buffer);
  const places = new Uint8Array(bytes.length);
  const count = bytes.length / 4;
  for (let to = 0; to < bytes.length; to += 1) places[to] = bytes[(to % count) * 4 + Math.floor(to / count)];
  const levels = factor === 1 ? [] : [{ factor: 1, shape: [Number(ny), Number(nx)], code: "f4", there: false }];
  levels.push({ factor, shape, code: factor === 1 ? "f4" : "i4", step, offset: first, there: true });
  const whose = file ? `; zeroframe show ${file} shows single pixels` : "";
  const packed = textOf(await through(places, new CompressionStream("deflate-raw")));
  return {
    // written so that it does not end this script itself
    tile: `<script type="text/plain" id="t${number}-${levels.length - 1}-0-0">${packed}<${"/"}script>\n`,
    told: {
      title, unit, shape: [Number(ny), Number(nx)], type: "as this report shows it", whole: false, tile: 1 << 20, levels, origin: [0, 0],
      percents: PERCENTS, percentiles: known.length ? PERCENTS.map(at) : [], noise: 0,
      histogram: { low: first - step / 2, width: step, counts }, sampled: [Number(ny), Number(ny), Number(nx)], marks: [], mask: null, header: "",
      remarks: [`Means of ${factor} × ${factor} pixels, in ${WHITE} steps from ${low} to ${high}: what is beyond is black or white${whose}.`],
    },
  };
}

async function lookCloser(images) {
  const shown = await Promise.all(images.map(asPicture));
  const packed = bytesOf(document.querySelector("main").dataset.viewer);
  const page = new TextDecoder().decode(await through(packed, new DecompressionStream("deflate-raw")));
  const told = JSON.stringify({ served: false, pictures: shown.map((each) => each.told) }).replaceAll("<", "\\u003c");
  const [dialog, frame, close] = ["dialog", "iframe", "button"].map((name) => document.createElement(name));
  dialog.id = "viewer";
  dialog.setAttribute("aria-label", "A closer look");
  [frame.title, close.textContent] = ["viewer", "Close"];
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.append(close, frame);
  document.body.append(dialog);
  // a function, since a dollar in a text would mean something else
  frame.srcdoc = page.replace('"@@data@@"', () => told) + shown.map((each) => each.tile).join("") + "</body></html>";
  dialog.showModal();
}

document.querySelectorAll("[data-closer]").forEach((button) => button.addEventListener("click", () => {
  const images = [...button.parentElement.querySelectorAll("img[data-low]")];
  const shown = images.findIndex((image) => image.closest(".frame.shown"));
  lookCloser(shown > 0 ? [...images.slice(shown), ...images.slice(0, shown)] : images);
}));
