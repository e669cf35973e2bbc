// One photograph, large, with where quality is lost in it.

const TINT = [213, 94, 0]; // vermilion, as in the pictures of the maps
const STRONGEST = 0.8;

class Viewer {
  /** @param {Album} album what is known of the photographs @param {(place: number) => void} left called when it closes */
  constructor(album, left) {
    Object.assign(this, { album, items: [], place: 0 });
    this.dialog = $("viewer");
    this.dialog.addEventListener("close", () => left(this.place));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    $("close").addEventListener("click", () => this.dialog.close());
    $("before").addEventListener("click", () => this.#turn(-1));
    $("after").addEventListener("click", () => this.#turn(1));
    $("map").addEventListener("change", () => this.#drawMap());
    new ResizeObserver(() => this.#fit()).observe($("well"));
  }

  open(items, place) {
    Object.assign(this, { items, place });
    this.dialog.showModal();
    this.#show();
  }

  #turn(step) {
    const place = this.place + step;
    if (place < 0 || place >= this.items.length) return;
    this.place = place;
    this.#show();
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") this.#turn(-1);
    else if (event.key === "ArrowRight") this.#turn(1);
    else if (event.key === "m" && this.item.map) $("map").click();
  }

  #show() {
    const item = (this.item = this.items[this.place]);
    const { album } = this;
    $("viewer-name").textContent = item.path;
    $("viewer-score").textContent = album.score(item);
    $("viewer-grade").textContent = album.grade(item);
    $("place").textContent = `${(this.place + 1).toLocaleString("en")} of ${this.items.length.toLocaleString("en")}`;
    $("before").disabled = this.place === 0;
    $("after").disabled = this.place === this.items.length - 1;
    const size = item.size ? [`${item.size[0]} × ${item.size[1]} pixels`] : [];
    const spread = item.uncertainty === undefined ? [] : [`spread over views ${item.uncertainty.toFixed(album.digits)}`];
    const remarks = [...(item.error ? [item.error] : []), ...size, ...spread, ...album.remarks(item)];
    $("remarks").replaceChildren(...remarks.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    $("map-field").hidden = !item.map;
    const sources = album.pictures(item);
    $("absent").hidden = sources.length > 0;
    $("frame").hidden = sources.length === 0;
    this.#load(item, sources);
    this.#drawMap();
    this.#fit();
  }

  /** Show the picture at hand, and each larger one as soon as it is there. */
  #load(item, [small, ...larger]) {
    const photo = $("photo");
    photo.removeAttribute("src");
    if (small) photo.src = small;
    photo.alt = `Photograph ${item.path}`;
    for (const [rank, source] of larger.entries()) {
      const image = new Image();
      image.addEventListener("load", () => {
        if (this.item !== item || (photo.rank ?? 0) > rank + 1) return;
        photo.src = source;
        photo.rank = rank + 1;
      });
      image.src = source;
    }
    photo.rank = 0;
  }

  #fit() {
    const size = this.item?.size;
    if (!size || !this.dialog.open) return;
    const well = $("well");
    const scale = Math.min(well.clientWidth / size[0], well.clientHeight / size[1], Math.max(1, 480 / Math.max(...size)));
    $("frame").style.width = `${Math.round(size[0] * scale)}px`;
    $("frame").style.height = `${Math.round(size[1] * scale)}px`;
  }

  #drawMap() {
    const map = this.item.map;
    const shown = Boolean(map) && $("map").checked;
    const canvas = $("tint");
    canvas.hidden = $("legend").hidden = !shown;
    $("photo").classList.toggle("grey", shown);
    if (!shown) return;
    const loss = Uint8Array.from(atob(map.loss), (c) => c.charCodeAt(0));
    [canvas.width, canvas.height] = [map.width, map.height];
    const image = new ImageData(map.width, map.height);
    for (let i = 0; i < map.width * map.height; i++) image.data.set([...TINT, STRONGEST * loss[i]], 4 * i);
    canvas.getContext("2d").putImageData(image, 0, 0);
    const [best, worst] = [map.best, map.worst].map((value) => value?.toFixed(this.album.digits));
    $("legend").textContent = best === undefined ? "tinted where quality is lost" : `parts score from ${best} down to ${worst}`;
  }
}
