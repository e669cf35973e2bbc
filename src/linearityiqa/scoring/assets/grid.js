// A grid of any number of cards, of which only those in sight exist.

const MARGIN = 2; // rows beyond the window that are ready

class Grid {
  /**
   * @param {HTMLElement} list where the cards go
   * @param {(element: HTMLElement, item: any) => void} fill shows an item in a card
   * @param {(place: number) => void} open called with the place of a card that is chosen
   */
  constructor(list, template, fill, open) {
    Object.assign(this, { list, template, fill, open, items: [], cards: new Map(), active: 0, columns: 1 });
    addEventListener("scroll", () => this.#soon(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(list);
    for (const event of ["beforeprint", "afterprint"]) addEventListener(event, () => this.#print(event === "beforeprint"));
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("focusin", (event) => this.#activate(Number(event.target.closest(".card").dataset.place)));
    list.addEventListener("click", (event) => {
      const card = event.target.closest(".card");
      if (card) this.open(Number(card.dataset.place));
    });
  }

  show(items) {
    this.items = items;
    this.active = 0;
    for (const card of this.cards.values()) card.remove();
    this.cards.clear();
    this.#measure();
  }

  focus(place) {
    this.#activate(place);
    const top = this.list.getBoundingClientRect().top + scrollY + Math.floor(place / this.columns) * this.step;
    if (top < scrollY) scrollTo(0, top - this.gap);
    else if (top + this.step > scrollY + innerHeight) scrollTo(0, top + this.step - innerHeight);
    this.#draw();
    this.cards.get(place)?.querySelector("button").focus({ preventScroll: true });
  }

  #activate(place) {
    this.cards.get(this.active)?.querySelector("button").setAttribute("tabindex", "-1");
    this.active = place;
    this.cards.get(place)?.querySelector("button").setAttribute("tabindex", "0");
  }

  #measure() {
    const probe = this.template.content.firstElementChild.cloneNode(true);
    probe.classList.add("probe");
    this.list.append(probe);
    const style = getComputedStyle(probe);
    const [height, least] = [probe.offsetHeight, parseFloat(style.minWidth)];
    this.gap = parseFloat(style.marginRight);
    probe.remove();
    const width = this.list.clientWidth;
    this.columns = Math.max(1, Math.floor((width + this.gap) / (least + this.gap)));
    this.width = (width - this.gap * (this.columns - 1)) / this.columns;
    this.step = height + this.gap;
    this.list.style.height = `${Math.max(0, Math.ceil(this.items.length / this.columns) * this.step - this.gap)}px`;
    this.#draw();
  }

  /** On paper all cards exist, not only those in sight. */
  #print(printing) {
    this.printing = printing;
    this.#draw();
  }

  #soon() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.#draw();
    });
  }

  #draw() {
    const above = -this.list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / this.step) - MARGIN) * this.columns;
    const last = Math.min(this.items.length, (Math.ceil((above + innerHeight) / this.step) + MARGIN) * this.columns);
    const wanted = new Set(this.printing ? this.items.keys() : []);
    for (let place = first; place < last; place++) wanted.add(place);
    if (this.active < this.items.length) wanted.add(this.active); // keeps the focus, wherever one scrolls
    for (const [place, card] of this.cards) {
      if (wanted.has(place)) continue;
      card.remove();
      this.cards.delete(place);
    }
    for (const place of wanted) {
      const card = this.cards.get(place) ?? this.#add(place);
      const [column, row] = [place % this.columns, Math.floor(place / this.columns)];
      card.style.width = `${this.width}px`;
      card.style.transform = `translate(${column * (this.width + this.gap)}px, ${row * this.step}px)`;
    }
  }

  #add(place) {
    const card = this.template.content.firstElementChild.cloneNode(true);
    card.dataset.place = place;
    card.setAttribute("aria-setsize", this.items.length);
    card.setAttribute("aria-posinset", place + 1);
    card.querySelector("button").setAttribute("tabindex", place === this.active ? "0" : "-1");
    this.fill(card, this.items[place]);
    let next = null; // in the order of their places, for those who listen to the page
    for (const [other, element] of this.cards) if (other > place && !(next && Number(next.dataset.place) < other)) next = element;
    this.list.insertBefore(card, next);
    this.cards.set(place, card);
    return card;
  }

  #key(event) {
    const page = Math.max(1, Math.floor(innerHeight / this.step)) * this.columns;
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page,
      Home: -Infinity, End: Infinity,
    }; // prettier-ignore
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.focus(Math.min(this.items.length - 1, Math.max(0, this.active + steps[event.key])));
  }
}
