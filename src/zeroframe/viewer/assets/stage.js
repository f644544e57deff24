// ---- stage: the image on the screen; zoomed, moved, with what lies over it

const NEAREST = 1 / 64; // pixels of the file for one of the screen
const ROLE_COLOURS = { data: "#00c2ff", overscan: "#ff9a1f", prescan: "#ffd84d", header: "#ff6fb5" };

class Stage {
  constructor(canvas, pictures, onDrawn) {
    Object.assign(this, { canvas, pictures, onDrawn });
    this.context = canvas.getContext("2d", { alpha: false });
    this.current = 0;
    this.scale = 1;
    this.centre = [0, 0]; // in pixels of the image that frames were cut out of, counted from 0
    this.cursor = null;
    this.section = null; // first and last column, first and last row, of the same pixels
    this.showMarks = true;
    this.asked = false;
    this.fitted = true;
    pictures.forEach((picture, at) => {
      picture.pyramid = new Pyramid(picture.levels, `t${at}`, picture.tile, () => this.ask());
      picture.maskPyramid = picture.mask && new Pyramid(picture.mask.levels, `m${at}`, picture.tile, () => this.ask());
      picture.chosen = new Set((picture.mask ? picture.mask.bits : []).filter((bit) => bit.on).map((bit) => bit.value));
    });
    new ResizeObserver(() => this.resized()).observe(canvas);
  }

  get picture() { return this.pictures[this.current]; }

  resized() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.max(Math.round(width * ratio), 1);
    this.canvas.height = Math.max(Math.round(height * ratio), 1);
    this.ratio = ratio;
    if (this.fitted) this.fit();
    this.draw();
  }

  get fitScale() {
    const [ny, nx] = this.picture.shape;
    return Math.max(nx / (this.canvas.width * 0.98), ny / (this.canvas.height * 0.98));
  }

  fit() {
    const [ny, nx] = this.picture.shape;
    const [ox, oy] = this.picture.origin;
    this.scale = this.fitScale;
    this.centre = [ox + nx / 2, oy + ny / 2];
    this.fitted = true;
    this.ask();
  }

  zoom(scale, about) {
    const farthest = Math.max(this.fitScale * 4, 1);
    const wanted = Math.min(Math.max(scale, NEAREST), farthest);
    const [x, y] = about || [this.canvas.width / 2, this.canvas.height / 2];
    const fixed = this.at(x, y);
    this.scale = wanted;
    const now = this.at(x, y);
    this.centre = [this.centre[0] + fixed[0] - now[0], this.centre[1] + fixed[1] - now[1]];
    this.fitted = false;
    this.ask();
  }

  move(dx, dy) {
    this.centre = [this.centre[0] - dx * this.scale, this.centre[1] + dy * this.scale];
    this.fitted = false;
    this.ask();
  }

  // pixels of the canvas to those of the image, and back
  at(x, y) {
    return [this.centre[0] + (x - this.canvas.width / 2) * this.scale,
      this.centre[1] - (y - this.canvas.height / 2) * this.scale];
  }

  place(x, y) {
    return [(x - this.centre[0]) / this.scale + this.canvas.width / 2,
      this.canvas.height / 2 - (y - this.centre[1]) / this.scale];
  }

  // what is seen: first and last column, first and last row of the picture itself, counted from 0
  get seen() {
    const [ny, nx] = this.picture.shape;
    const [ox, oy] = this.picture.origin;
    const [left, top] = this.at(0, 0);
    const [right, bottom] = this.at(this.canvas.width, this.canvas.height);
    const kept = (value, most) => Math.min(Math.max(Math.floor(value), 0), most - 1);
    return [kept(left - ox, nx), kept(right - ox, nx), kept(bottom - oy, ny), kept(top - oy, ny)];
  }

  reveal(x, y) {
    const [px, py] = this.place(x + 0.5, y + 0.5);
    const room = 20;
    const { width, height } = this.canvas;
    if (px < room || py < room || px > width - room || py > height - room) {
      this.centre = [x + 0.5, y + 0.5];
      this.fitted = false;
    }
    this.ask();
  }

  ask() {
    if (this.asked) return;
    this.asked = true;
    this.canvas.dataset.state = "asked";
    window.requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.asked = false;
    const { context, canvas, picture } = this;
    context.fillStyle = "#26282b";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const whole = this.drawLayer(picture.pyramid, (tile, level) => {
      if (tile.version !== picture.stretch.version) {
        tile.drawn = picture.stretch.paint(tile, level);
        tile.version = picture.stretch.version;
      }
    });
    let masked = true;
    if (picture.maskPyramid && picture.chosen.size) {
      const version = [...picture.chosen].join();
      masked = this.drawLayer(picture.maskPyramid, (tile) => {
        if (tile.version !== version) {
          tile.drawn = paintMask(tile, picture.chosen);
          tile.version = version;
        }
      });
    }
    this.drawMarks();
    this.drawSection();
    this.drawCursor();
    canvas.setAttribute("aria-busy", String(!(whole && masked)));
    canvas.dataset.state = whole && masked ? "whole" : "loading";
    this.onDrawn();
  }

  // draw an image or a mask; say whether all that is seen of it is there
  drawLayer(pyramid, paint) {
    const wanted = pyramid.levelFor(this.scale);
    const tiles = pyramid.within(wanted, this.seen);
    const missing = tiles.filter((tile) => !tile.values);
    if (missing.length) {
      for (let level = pyramid.levels.length - 1; level > wanted; level -= 1) {
        if (pyramid.levels[level].there) this.drawTiles(pyramid, level, pyramid.within(level, this.seen), paint);
      }
    }
    this.drawTiles(pyramid, wanted, tiles, paint);
    const coarsest = pyramid.levels.length - 1;
    const first = missing.length && wanted !== coarsest ? pyramid.within(coarsest, this.seen) : [];
    if (first.some((tile) => !tile.values)) pyramid.want(first, coarsest);
    else pyramid.want(missing, wanted);
    this.canvas.dataset.factor = String(pyramid.levels[wanted].factor);
    return !missing.length;
  }

  drawTiles(pyramid, number, tiles, paint) {
    const level = pyramid.levels[number];
    const { context } = this;
    const side = pyramid.side * level.factor;
    const [ny, nx] = this.picture.shape;
    const [ox, oy] = this.picture.origin;
    context.imageSmoothingEnabled = this.scale > level.factor;
    tiles.filter((tile) => tile.values).forEach((tile) => {
      paint(tile, level);
      this.canvas.dataset.shown = "yes";
      // an incomplete pixel at the far edge is drawn whole, and cut off by the border of the image
      const [left, bottom] = this.place(ox + tile.tx * side, oy + tile.ty * side).map(Math.round);
      const [right, top] = this.place(ox + tile.tx * side + tile.width * level.factor,
        oy + tile.ty * side + tile.height * level.factor).map(Math.round);
      const [most, least] = this.place(ox + nx, oy + ny).map(Math.round);
      context.save();
      context.beginPath();
      context.rect(left, Math.max(top, least), Math.min(right, most) - left, bottom - Math.max(top, least));
      context.clip();
      context.drawImage(tile.drawn, left, top, right - left, bottom - top);
      context.restore();
    });
  }

  // a rectangle around pixels: first and last column, first and last row, counted from 0
  outline(box, colour, width, dash = []) {
    const { context } = this;
    const [left, bottom] = this.place(box[0], box[2]);
    const [right, top] = this.place(box[1] + 1, box[3] + 1);
    context.setLineDash(dash);
    context.lineWidth = width * this.ratio;
    context.strokeStyle = colour;
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
    return [left, top, right, bottom];
  }

  drawMarks() {
    if (!this.showMarks) return;
    const { context } = this;
    const [ox, oy] = this.picture.origin;
    this.picture.marks.forEach((mark) => {
      const [x1, x2, y1, y2] = mark.box;
      const box = [x1 - 1 + ox, x2 - 1 + ox, y1 - 1 + oy, y2 - 1 + oy];
      const dashed = mark.role === "data" ? [] : [6 * this.ratio, 4 * this.ratio];
      const [left, top, right, bottom] = this.outline(box, ROLE_COLOURS[mark.role], 1.5, dashed);
      if (mark.role !== "data" && mark.role !== "header") {
        context.fillStyle = `${ROLE_COLOURS[mark.role]}33`;
        context.fillRect(left, top, right - left, bottom - top);
      }
      this.label(mark.name, Math.max(left, 0) + 3 * this.ratio, Math.max(top, 0), right, ROLE_COLOURS[mark.role]);
    });
  }

  label(text, x, y, right, colour) {
    const { context, ratio } = this;
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    const { width } = context.measureText(text);
    if (width > right - x) return; // too narrow: the list beside the image has it
    context.fillStyle = "#000a";
    context.fillRect(x - 2 * ratio, y + 2 * ratio, width + 4 * ratio, 16 * ratio);
    context.fillStyle = colour;
    context.fillText(text, x, y + 14 * ratio);
  }

  drawSection() {
    if (!this.section) return;
    this.outline(this.section, "#000", 3);
    this.outline(this.section, "#ffe14d", 1.5);
  }

  drawCursor() {
    if (!this.cursor) return;
    const [x, y] = this.cursor;
    const { context, ratio } = this;
    const [px, py] = this.place(x + 0.5, y + 0.5);
    const half = Math.max(0.5 / this.scale, 5 * ratio);
    for (const [colour, width] of [["#000", 3], ["#7dff8a", 1.2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * ratio;
      context.strokeRect(px - half, py - half, 2 * half, 2 * half);
    }
  }
}
