// ---- stretch: from values to shades of grey, and masks to colours

const SHADES = 4096;
// of Okabe and Ito (2008), told apart by people who do not see all colours
const BIT_COLOURS = ["#e69f00", "#d55e00", "#56b4e9", "#0072b2", "#cc79a7", "#009e73", "#f0e442", "#ffffff"];
const NO_PIXEL = [66, 92, 138]; // a dull blue, which no level of grey is taken for
const CURVES = {
  linear: (u) => u,
  "square root": Math.sqrt,
  asinh: (u) => Math.asinh(u * 30) / Math.asinh(30),
  log: (u) => Math.log1p(u * 1000) / Math.log1p(1000),
};

// a percentile between those that the page knows
function percentile(picture, percent) {
  const { percents, percentiles } = picture;
  if (!percentiles.length) return 0;
  let at = percents.findIndex((each) => each >= percent);
  if (at <= 0) at = at < 0 ? percents.length - 1 : 1;
  const part = (percent - percents[at - 1]) / (percents[at] - percents[at - 1]);
  return percentiles[at - 1] + Math.min(Math.max(part, 0), 1) * (percentiles[at] - percentiles[at - 1]);
}

function limitsFor(picture, keep) {
  const rest = (100 - keep) / 2;
  const [low, high] = [percentile(picture, rest), percentile(picture, 100 - rest)];
  if (low < high) return [low, high];
  const room = Math.max(0.5, Math.abs(low) * 1e-6);
  return [low - room, high + room];
}

class Stretch {
  constructor(low, high, curve, invert) {
    Object.assign(this, { low, high, curve, invert });
    this.version = [low, high, curve, invert].join();
    this.words = new Uint32Array(SHADES + 1);
    for (let at = 0; at <= SHADES; at += 1) this.words[at] = this.word(CURVES[curve](at / SHADES));
    this.none = (255 << 24) | (NO_PIXEL[2] << 16) | (NO_PIXEL[1] << 8) | NO_PIXEL[0];
  }

  word(shade) {
    const grey = Math.round(255 * (this.invert ? 1 - shade : shade));
    return (255 << 24) | (grey << 16) | (grey << 8) | grey;
  }

  // paint a tile; row 0 is at the bottom
  paint(tile, level) {
    const { width, height, values } = tile;
    const image = new ImageData(width, height);
    const out = new Uint32Array(image.data.buffer);
    const { words, none } = this;
    const coarse = level.factor !== 1;
    const [step, offset] = coarse ? [level.step, level.offset] : [1, 0];
    const [slope, start] = [(SHADES * step) / (this.high - this.low), ((offset - this.low) * SHADES) / (this.high - this.low)];
    const empty = coarse && level.code === "i4";
    for (let row = 0; row < height; row += 1) {
      let to = (height - 1 - row) * width;
      for (let at = row * width, end = at + width; at < end; at += 1, to += 1) {
        const place = values[at] * slope + start;
        if (place >= 0 && !(place > SHADES)) out[to] = words[place | 0];
        else if (place > SHADES) out[to] = words[SHADES];
        else out[to] = Number.isNaN(place) ? none : words[0];
        if (empty && values[at] === NO_VALUE) out[to] = none;
      }
    }
    return onCanvas(image);
  }
}

function onCanvas(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function bitColour(value) {
  return BIT_COLOURS[Math.round(Math.log2(value)) % BIT_COLOURS.length];
}

// paint a tile of a mask: each pixel in the colour of the highest bit that is asked for
function paintMask(tile, chosen) {
  const { width, height, values } = tile;
  const image = new ImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const bits = [...chosen].sort((a, b) => b - a);
  const words = bits.map((bit) => {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(bitColour(bit).slice(at, at + 2), 16));
    return ((190 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
  const all = bits.reduce((sum, bit) => sum | bit, 0);
  for (let row = 0; row < height; row += 1) {
    const to = (height - 1 - row) * width;
    for (let column = 0; column < width; column += 1) {
      const value = values[row * width + column];
      if (value & all) out[to + column] = words[bits.findIndex((bit) => value & bit)];
    }
  }
  return onCanvas(image);
}
