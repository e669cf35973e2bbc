// How the scores lie, and the range of them that is shown.

const BARS = 50;
const SVG = "http://www.w3.org/2000/svg";

class Histogram {
  /** @param {number[]} scores ascending @param {[number, number] | null} scale @param {() => void} changed */
  constructor(scores, scale, digits, changed) {
    const [least, most] = [scores[0], scores[scores.length - 1]];
    let [low, high] = scale ? [Math.min(scale[0], least), Math.max(scale[1], most)] : [least, most];
    if (low === high) [low, high] = [low - 1, high + 1];
    const step = 10 ** -Math.min(digits, high - low > 20 ? 1 : digits);
    low = Math.floor(low / step) * step;
    high = Math.ceil(high / step) * step;
    Object.assign(this, { low, high, from: low, to: high, changed, digits: Math.round(-Math.log10(step)) });
    this.counts = new Array(BARS).fill(0);
    for (const score of scores) this.counts[Math.min(BARS - 1, Math.floor(((score - low) / (high - low)) * BARS))]++;
    this.#draw();
    for (const [id, end] of [["low", "from"], ["high", "to"], ["from", "from"], ["to", "to"]]) {
      Object.assign($(id), { min: this.#text(low), max: this.#text(high), step: this.#text(step) });
      $(id).addEventListener($(id).type === "range" ? "input" : "change", () => this.#take(id, end));
    }
    const ticks = [0, 1, 2, 3, 4, 5].map((fifth) => Number((low + (fifth / 5) * (high - low)).toPrecision(3)));
    $("ticks").replaceChildren(...ticks.map((tick) => Object.assign(document.createElement("span"), { textContent: tick })));
    this.set(low, high);
  }

  get narrowed() {
    return this.from > this.low || this.to < this.high;
  }

  has(score) {
    return !this.narrowed || (score >= this.from && score <= this.to);
  }

  set(from, to) {
    [this.from, this.to] = [from, to];
    for (const [ids, value] of [[["low", "from"], from], [["high", "to"], to]]) for (const id of ids) $(id).value = Number(this.#text(value));
    this.bars.forEach((bar, i) => bar.classList.toggle("out", !this.#reaches(i)));
    const share = (value) => (value - this.low) / (this.high - this.low);
    $("low").parentElement.style.setProperty("--from", share(from));
    $("low").parentElement.style.setProperty("--to", share(to));
  }

  #take(id, end) {
    const value = $(id).value === "" ? NaN : Number($(id).value);
    const wanted = Number.isNaN(value) ? (end === "from" ? this.low : this.high) : Math.min(this.high, Math.max(this.low, value));
    if (end === "from") this.set(wanted, Math.max(wanted, this.to));
    else this.set(Math.min(wanted, this.from), wanted);
    this.changed();
  }

  #draw() {
    const most = Math.max(...this.counts);
    const width = (this.high - this.low) / BARS;
    $("bars").setAttribute("viewBox", `0 0 ${BARS} 100`);
    $("bars").setAttribute("aria-label", `Histogram of the scores from ${this.#text(this.low)} to ${this.#text(this.high)}`);
    this.bars = this.counts.map((count, i) => {
      const bar = document.createElementNS(SVG, "rect");
      const height = count ? Math.max(1.5, (100 * count) / most) : 0;
      for (const [name, value] of Object.entries({ x: i + 0.06, y: 100 - height, width: 0.88, height })) bar.setAttribute(name, value);
      const title = document.createElementNS(SVG, "title");
      const [from, to] = [i, i + 1].map((edge) => this.#text(this.low + edge * width));
      title.textContent = `${from} to ${to}: ${count.toLocaleString("en")}`;
      bar.append(title);
      return bar;
    });
    $("bars").replaceChildren(...this.bars);
  }

  #reaches(i) {
    const width = (this.high - this.low) / BARS;
    return this.low + (i + 1) * width > this.from && this.low + i * width < this.to;
  }

  #text(value) {
    return value.toFixed(this.digits);
  }
}
