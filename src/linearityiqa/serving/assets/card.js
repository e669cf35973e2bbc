// One photograph on the page.

const template = document.getElementById("card");

export class Card {
  /** @param {File} file @param {string} name */
  constructor(file, name) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.url = URL.createObjectURL(file);
    const photo = this.#part("photo");
    photo.alt = `Preview of ${name}`;
    photo.addEventListener("error", () => {
      photo.hidden = true;
      const kind = name.includes(".") ? name.split(".").pop().slice(0, 5).toUpperCase() : "File";
      this.#part("stage").classList.add("unshown");
      this.#part("stage").dataset.kind = kind;
    });
    photo.src = this.url;
    this.#part("name").textContent = this.#part("name").title = name;
  }

  /** A word on what happens to the photograph. */
  state(text, wrong = false) {
    this.#part("state").textContent = text;
    this.#part("state").hidden = !text;
    this.element.classList.toggle("wrong", wrong);
  }

  /** The score, its place on the scale, and what else is known. */
  verdict(result, scale) {
    this.#part("verdict").hidden = false;
    const digits = decimals(scale);
    const shown = result.score.toFixed(digits);
    this.#part("score").value = String(result.score);
    this.#part("score").textContent = shown;
    this.#part("quality").textContent = result.quality ?? "";
    const meter = this.#part("meter");
    meter.hidden = this.#part("ends").hidden = !scale;
    if (scale) {
      const [low, high] = [scale.low, scale.high].map(plain);
      meter.ariaLabel = "Place on the scale";
      meter.ariaValueMin = low;
      meter.ariaValueMax = high;
      meter.ariaValueNow = String(Math.min(scale.high, Math.max(scale.low, result.score)));
      meter.ariaValueText = `${shown} on a scale from ${low} to ${high}${result.quality ? `: ${result.quality}` : ""}`;
      meter.style.setProperty("--position", result.position);
      this.#part("low").textContent = low;
      this.#part("high").textContent = high;
    }
    this.#part("detail").textContent = remarks(result, scale).join(" · ");
  }

  /** Show or hide where quality is lost; `map` may be missing. */
  map(map, scale) {
    const overlay = this.#part("map");
    overlay.hidden = !map;
    this.element.classList.toggle("mapped", Boolean(map));
    this.#part("legend").textContent = "";
    if (!map) return;
    const [best, worst] = [map.best, map.worst].map((value) => value.toFixed(decimals(scale)));
    overlay.src = map.image;
    overlay.alt = "Tinted where quality is lost";
    this.#part("legend").textContent = `parts score from ${best} down to ${worst}`;
  }

  remove() {
    URL.revokeObjectURL(this.url);
    this.element.remove();
  }

  #part(name) {
    return this.element.querySelector(`.${name}`);
  }
}

function remarks(result, scale) {
  const beyond = result.on_scale === false ? [`${result.score > scale.high ? "above" : "below"} the scale`] : [];
  return [...beyond, ...(scale ? [] : ["scale not recorded"]), ...result.notes];
}

function decimals(scale) {
  const span = scale ? scale.high - scale.low : 0;
  return span >= 20 ? 1 : span >= 2 ? 2 : 3;
}

function plain(number) {
  return String(Number(number.toPrecision(6)));
}
