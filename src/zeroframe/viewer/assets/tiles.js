// ---- tiles: the numbers of an image, from this page or from the server that it came from

const told = JSON.parse(document.getElementById("data").textContent);
const NO_VALUE = -(2 ** 31);
const MOST_KEPT = 48e6; // pixels: of 16-bit numbers some 100 MB
const AT_ONCE = 6;
const KINDS = {
  u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array,
};

function bytesOfText(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

async function packedBytes(name) {
  if (told.served) {
    const answer = await fetch(`${told.tiles}/${name}`);
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return new Uint8Array(await answer.arrayBuffer());
  }
  for (;;) {
    const found = document.getElementById(name);
    if (found && (found.nextSibling || document.readyState !== "loading")) return bytesOfText(found.textContent);
    if (document.readyState !== "loading") throw new Error(`${name} is not in this page`);
    await new Promise((done) => setTimeout(done, 20)); // the page is still being read
  }
}

async function unpacked(name, code) {
  const stream = new Blob([await packedBytes(name)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const places = new Uint8Array(await new Response(stream).arrayBuffer());
  const Kind = KINDS[code];
  const size = Kind.BYTES_PER_ELEMENT;
  const count = places.length / size;
  const bytes = new Uint8Array(places.length);
  for (let place = 0; place < size; place += 1) {
    const from = places.subarray(place * count, (place + 1) * count);
    for (let at = 0, to = place; at < count; at += 1, to += size) bytes[to] = from[at];
  }
  return new Kind(bytes.buffer);
}

class Tile {
  constructor(level, name, ty, tx, side) {
    this.name = name;
    this.ty = ty;
    this.tx = tx;
    this.height = Math.min(side, level.shape[0] - ty * side);
    this.width = Math.min(side, level.shape[1] - tx * side);
    this.values = null;
    this.drawn = null; // a canvas, and of which stretch it is
    this.version = "";
    this.used = 0;
  }
}

// one image, or one mask, at all of its resolutions
class Pyramid {
  constructor(levels, prefix, side, changed) {
    Object.assign(this, { levels, prefix, side, changed });
    this.tiles = new Map();
    this.waiting = new Map();
    this.busy = 0;
    this.clock = 0;
    this.kept = 0;
    this.failed = "";
  }

  // the finest level that is there and has no more than about one pixel for each of the screen
  levelFor(scale) {
    let best = this.levels.findIndex((level) => level.there);
    this.levels.forEach((level, at) => { if (level.there && level.factor <= scale * 1.35) best = Math.max(best, at); });
    return best;
  }

  tile(level, ty, tx) {
    const name = `${this.prefix}-${level}-${ty}-${tx}`;
    let tile = this.tiles.get(name);
    if (!tile) {
      tile = new Tile(this.levels[level], name, ty, tx, this.side);
      this.tiles.set(name, tile);
    }
    tile.used = this.clock += 1;
    return tile;
  }

  // tiles that touch a range of the pixels of the file: first and last column, first and last row
  within(level, box) {
    const { factor, shape } = this.levels[level];
    const side = this.side * factor;
    const [rows, columns] = shape.map((n) => Math.ceil(n / this.side));
    const found = [];
    const last = (at, most) => Math.min(Math.floor(at / side), most - 1);
    for (let ty = Math.max(Math.floor(box[2] / side), 0); ty <= last(box[3], rows); ty += 1) {
      for (let tx = Math.max(Math.floor(box[0] / side), 0); tx <= last(box[1], columns); tx += 1) {
        found.push(this.tile(level, ty, tx));
      }
    }
    return found;
  }

  want(tiles, level) {
    this.waiting = new Map(tiles.filter((tile) => !tile.values).map((tile) => [tile.name, [tile, level]]));
    this.next();
  }

  next() {
    for (const [name, [tile, level]] of this.waiting) {
      if (this.busy >= AT_ONCE) return;
      this.waiting.delete(name);
      this.load(tile, level);
    }
  }

  async load(tile, level) {
    if (tile.loading) return tile.loading;
    this.busy += 1;
    tile.loading = unpacked(tile.name, this.levels[level].code).then((values) => {
      tile.values = values;
      this.kept += values.length;
      this.forget();
    }, (error) => { this.failed = error.message; });
    await tile.loading;
    tile.loading = null;
    this.busy -= 1;
    this.next();
    this.changed();
    return null;
  }

  async loaded(tile, level) {
    if (!tile.values) await this.load(tile, level);
    if (!tile.values) throw new Error(this.failed || "cannot be read");
    return tile;
  }

  forget() {
    if (this.kept <= MOST_KEPT) return;
    const old = [...this.tiles.values()].filter((tile) => tile.values).sort((a, b) => a.used - b.used);
    for (const tile of old) {
      if (this.kept <= MOST_KEPT / 2) break;
      this.kept -= tile.values.length;
      this.tiles.delete(tile.name);
    }
  }

  // value of a pixel of the file, from the finest level that is there; undefined while it is not known
  valueAt(x, y) {
    const level = this.levels.findIndex((each) => each.there);
    const { factor } = this.levels[level];
    const [px, py] = [Math.floor(x / factor), Math.floor(y / factor)];
    const tile = this.tile(level, Math.floor(py / this.side), Math.floor(px / this.side));
    if (!tile.values) {
      this.load(tile, level);
      return undefined;
    }
    const stored = tile.values[(py % this.side) * tile.width + (px % this.side)];
    return physical(this.levels[level], stored);
  }
}

function physical(level, stored) {
  if (level.factor === 1) return stored;
  return level.code === "i4" && stored === NO_VALUE ? NaN : stored * level.step + level.offset;
}
