// The page: which photographs are shown, in which order.

const $ = (id) => document.getElementById(id);
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** What the page knows of photographs; each {path, score, grade, notes, error, size, map, burst, picture, preview}. */
class Album {
  constructor(facts, rows, pictures) {
    Object.assign(this, facts, { rows, text: pictures });
    const folders = rows.map((row) => row.path.slice(0, row.path.lastIndexOf("/") + 1));
    this.common = folders.reduce((common, folder) => {
      while (!folder.startsWith(common)) common = common.slice(0, common.slice(0, -1).lastIndexOf("/") + 1);
      return common;
    }, folders[0] ?? "");
    for (const row of rows) row.name = row.path.slice(row.path.lastIndexOf("/") + 1);
  }

  score(item) {
    return item.score === undefined ? "no score" : item.score.toFixed(this.digits);
  }

  grade(item) {
    return item.grade === undefined ? "" : this.grades[item.grade];
  }

  remarks(item) {
    return [...this.#burst(item), ...(item.beyond ? ["beyond the scale"] : []), ...(item.notes ?? [])];
  }

  #burst({ burst }) {
    if (!burst) return [];
    const rank = burst.rank === 1 ? "best" : `no. ${burst.rank}`;
    const lead = burst.lead === null ? "" : `, ${burst.lead.toFixed(this.digits)} above the next`;
    const clear = burst.clear === null ? "" : burst.clear ? " (more than the spread)" : " (within the spread)";
    return [`burst ${burst.group}: ${rank} of ${burst.size}${lead}${clear}`];
  }

  /** What a card says below the name. */
  detail(item) {
    const folder = item.path.slice(this.common.length, item.path.length - item.name.length).replace(/\/$/, "");
    return item.error ?? [...this.remarks(item), folder].filter(Boolean).join(" · ");
  }

  /** Addresses of an item's pictures, from the smallest. */
  pictures(item) {
    const inside = [item.picture, item.preview].filter(Boolean).map(([start, end]) => `data:image/webp;base64,${this.text.slice(start, end)}`);
    const photograph = item.error ? null : this.#file(item.path);
    return photograph ? [...inside, photograph] : inside;
  }

  /** Address of the photograph itself, relative to this page; only for a page that is opened from a disk. */
  #file(path) {
    if (location.protocol !== "file:" || /^[a-z][a-z0-9+-]+:\/\//i.test(path)) return null;
    try {
      const parts = (path.startsWith("/") ? path : `${this.folder}/${path}`).split("/").filter(Boolean).map(encodeURIComponent);
      return (path.startsWith("/") ? "file:///" : "./") + parts.join("/");
    } catch {
      return null; // a name that is no text
    }
  }
}

const album = new Album(
  JSON.parse($("facts").textContent),
  JSON.parse($("rows").textContent),
  $("pictures").textContent,
);
for (const id of ["facts", "rows", "pictures"]) $(id).remove(); // one copy in memory is enough
const scored = album.rows.filter((row) => row.score !== undefined); // worst first
const failed = album.rows.filter((row) => row.score === undefined);
const byName = new Intl.Collator("en", { numeric: true });
let choice = scored.length ? "scored" : "failed";
let shown = [];

const histogram = scored.length ? new Histogram(scored.map((row) => row.score), album.scale, album.digits, update) : null;
const viewer = new Viewer(album, (place) => grid.focus(place));
const grid = new Grid($("grid"), $("card"), fill, (place) => viewer.open(shown, place));

function fill(card, item) {
  const part = (name) => card.querySelector(`.${name}`);
  const [picture] = album.pictures(item);
  const image = card.querySelector("img");
  image.hidden = !picture;
  if (picture) {
    image.addEventListener("error", () => (image.hidden = true), { once: true });
    image.src = picture;
  }
  part("none").textContent = "no picture";
  part("score").textContent = album.score(item);
  part("grade").textContent = album.grade(item);
  part("name").textContent = item.name;
  part("open").title = item.path;
  part("detail").textContent = album.detail(item);
  card.classList.toggle("burst", Boolean(item.burst));
  card.classList.toggle("best", item.burst?.rank === 1);
  card.classList.toggle("wrong", Boolean(item.error));
  card.classList.toggle("bare", Boolean(item.error) && !picture);
  part("meter").hidden = item.score === undefined || !album.scale;
  if (item.score !== undefined && album.scale) {
    const [low, high] = album.scale;
    part("meter").style.setProperty("--position", Math.min(1, Math.max(0, (item.score - low) / (high - low))));
  }
}

/** Key of the order by bursts; photographs on their own come last, worst first. */
const place = ({ burst }) => (burst ? burst.group + burst.rank / (burst.size + 1) : Number.MAX_SAFE_INTEGER);

function update() {
  const words = $("search").value.trim().toLowerCase();
  const grade = album.grades?.indexOf(choice) ?? -1;
  shown = (choice === "failed" ? failed : scored).filter(
    (row) =>
      (grade < 0 || row.grade === grade) &&
      (choice === "failed" || histogram.has(row.score)) &&
      (!words || row.path.toLowerCase().includes(words)),
  );
  const order = $("sort").value;
  if (order === "bursts") shown.sort((one, other) => place(one) - place(other));
  if (order === "best") shown.reverse();
  if (order === "name") shown.sort((one, other) => byName.compare(one.path, other.path));
  $("count").textContent = shown.length ? plural(shown.length, "photograph") : "No photograph is like that.";
  document.querySelector(".scores").hidden = choice === "failed";
  $("reset").hidden = !words && !histogram?.narrowed && choice === "scored";
  for (const chip of $("chips").children) chip.setAttribute("aria-pressed", chip.value === choice);
  $("grid").classList.toggle("plain", !shown.some((item) => album.detail(item)));
  grid.show(shown);
}

function reset() {
  $("search").value = "";
  choice = scored.length ? "scored" : "failed";
  histogram?.set(histogram.low, histogram.high);
  update();
}

function describe(list, facts) {
  for (const [name, text] of facts) {
    const pair = document.createElement("div");
    pair.append(
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: text }),
    );
    list.append(pair);
  }
}

function start() {
  const scale = album.scale ? `, on a scale from ${album.scale[0]} to ${album.scale[1]}; higher is better` : "; higher is better";
  $("lead").textContent = `${plural(scored.length, "photograph")} scored${scale}`;
  describe($("about"), Object.entries(album.about));
  const [tenth, median, ninetieth] = album.quantiles;
  const figures = [["Median", median], ["A tenth score below", tenth], ["A tenth score above", ninetieth]];
  if (scored.length) describe($("figures"), [...figures, ["Without a score", failed.length.toLocaleString("en")]]);
  $("overview").hidden = !scored.length;
  const counts = album.grades?.map((grade, i) => [grade, grade, scored.filter((row) => row.grade === i).length]) ?? [];
  const chips = [["scored", "all", scored.length], ...counts, ["failed", "without a score", failed.length]];
  for (const [value, label, count] of chips.filter(([value, , count]) => count || value === "scored")) {
    const chip = Object.assign(document.createElement("button"), { type: "button", value, className: "chip" });
    chip.append(label, Object.assign(document.createElement("span"), { textContent: count.toLocaleString("en") }));
    chip.addEventListener("click", () => {
      choice = choice === value && value !== "failed" ? "scored" : value;
      update();
    });
    $("chips").append(chip);
  }
  if (scored.some((row) => row.burst)) {
    $("sort").options[0].hidden = false;
    $("sort").value = "bursts";
  }
  const notices = [
    album.stopped ? "Scoring was stopped: there are more photographs than these." : "",
    album.without ? `The pictures of ${plural(album.without, "photograph")} were left out to keep this file small.` : "",
  ].filter(Boolean);
  $("notice").textContent = notices.join(" ");
  $("notice").hidden = !notices.length;
  $("search").addEventListener("input", update);
  $("sort").addEventListener("change", update);
  $("reset").addEventListener("click", reset);
  update();
}

start();
