// The page: takes photographs, has them scored a few at a time, shows and exports the results.

import { Card } from "./card.js";
import { Client, Failure, groups, isTooLarge } from "./client.js";
import { csv } from "./csv.js";

const AT_ONCE = 2; // groups that are sent at the same time

const $ = (id) => document.getElementById(id);
const client = new Client(askForToken);
/** Each {name, file, card, pending, sent, result, error, again}. */
let photos = [];
let model = null;
let run = null; // {controller, total, done}, while photographs are being scored

async function start() {
  try {
    model = await client.model();
  } catch (failure) {
    announce(failure.message);
    $("limits").textContent = `${failure.message} Load the page again.`;
    return;
  }
  const { limits, scale, figures } = model;
  const size = `${Math.floor(limits.max_body_bytes / 1e6)} MB and ${Math.floor(limits.max_pixels / 1e6)} megapixels each`;
  $("limits").textContent = `JPEG, PNG, WebP, TIFF and others, up to ${size}`;
  $("maps-field").hidden = !model.maps;
  describe({
    Model: `${model.architecture}, trained on ${model.database}`,
    Predicts: model.labels ?? "not recorded",
    Scale: scale ? `${scale.low} to ${scale.high}, higher is better${scale.note ? `; ${scale.note}` : ""}` : "not recorded",
    Images: model.transform,
    ...Object.fromEntries(Object.entries(figures).map(([name, value]) => [figureLabel(name), value.toFixed(3)])),
    "Trained with": model.software,
    Service: `linearityiqa ${model.version}`,
  });
  $("model-card").hidden = !model.card;
  if (model.card) $("model-card").querySelector("a").href = model.card;
  score();
}

/** Label of a figure such as "val SROCC" for readers who know neither word. */
function figureLabel(figure) {
  const [part, measure] = figure.split(" ");
  const name = { SROCC: "Agreement in rank (SROCC)", PLCC: "Linear agreement (PLCC)", RMSE: "Typical error (RMSE)" }[measure];
  return name ? `${name}, ${{ val: "validation", test: "test" }[part] ?? part} photographs` : figure;
}

function describe(facts) {
  for (const [name, value] of Object.entries(facts)) {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    description.textContent = value;
    $("model").append(term, description);
  }
}

function add(files) {
  for (const file of files) {
    const name = file.name || "photograph";
    const photo = { name, file, card: new Card(file, name), pending: true, sent: false, result: null, error: "", again: false };
    photos.push(photo);
    $("list").append(photo.card.element);
    photo.card.state("waiting");
  }
  show();
  score();
}

/** Send what is pending, a few groups at a time, until nothing is. */
async function score() {
  if (!model) return;
  for (const photo of photos.filter((photo) => photo.pending && isTooLarge(photo.file, model.limits.max_body_bytes))) {
    fail(photo, `The file has more than the ${Math.floor(model.limits.max_body_bytes / 1e6)} MB allowed.`);
  }
  if (run) {
    run.total = run.done + photos.filter((photo) => photo.pending).length;
    return show();
  }
  if (!photos.some((photo) => photo.pending)) return show();
  run = { controller: new AbortController(), total: photos.filter((photo) => photo.pending).length, done: 0 };
  show();
  const { signal } = run.controller;
  await Promise.all(Array.from({ length: AT_ONCE }, () => work(signal)));
  run = null;
  show();
  announce(summary());
  if (photos.some((photo) => photo.pending)) score(); // added after a stop
}

async function work(signal) {
  while (!signal.aborted) {
    const waiting = photos.filter((photo) => photo.pending && !photo.sent);
    const group = groups(waiting, model.limits.max_body_bytes).next().value;
    if (!group) return;
    await send(group, signal);
    if (run) run.done += group.length;
    show();
  }
}

async function send(group, signal) {
  for (const photo of group) {
    photo.sent = true;
    if (!photo.result) photo.card.state("being scored");
  }
  const map = $("maps").checked;
  try {
    const results = await client.score(group.map((photo) => photo.file), { map, signal });
    group.forEach((photo, index) => accept(photo, results[index]));
    // asked for meanwhile
    if (!map && $("maps").checked) for (const photo of group) photo.pending = photo.result !== null;
  } catch (failure) {
    const stopped = signal.aborted;
    const known = stopped || failure instanceof Failure;
    const text = stopped ? "Stopped before it was scored." : known ? failure.message : "The file could not be read or sent.";
    for (const photo of group) fail(photo, text, stopped || failure.again === true);
  } finally {
    for (const photo of group) photo.sent = false;
  }
}

function accept(photo, result) {
  if (result.error) return fail(photo, result.error.detail);
  Object.assign(photo, { result, pending: false, error: "", again: false });
  photo.card.state("");
  photo.card.verdict(result, model.scale);
  photo.card.map($("maps").checked ? result.map : null, model.scale);
}

function fail(photo, error, again = false) {
  photo.pending = false;
  if (photo.result) return; // it has a score; only its map is missing
  Object.assign(photo, { error, again });
  photo.card.state(error, true);
}

function stop() {
  run?.controller.abort();
  for (const photo of photos.filter((photo) => photo.pending && !photo.sent)) fail(photo, "Stopped before it was scored.", true);
}

function scoreAgain() {
  for (const photo of photos.filter((photo) => photo.again)) {
    Object.assign(photo, { pending: true, again: false, error: "" });
    photo.card.state("waiting");
  }
  score();
}

function toggleMaps() {
  for (const photo of photos.filter((photo) => photo.result)) {
    photo.card.map($("maps").checked ? photo.result.map : null, model.scale);
    photo.pending ||= $("maps").checked && !photo.result.map;
  }
  score();
}

function clear() {
  stop();
  for (const photo of photos) photo.card.remove();
  photos = [];
  show();
  announce("All photographs removed.");
  $("files").focus();
}

function sorted() {
  const last = (photo) => (photo.result ? 0 : 1);
  const orders = {
    added: () => 0,
    best: (a, b) => last(a) - last(b) || (a.result ? b.result.score - a.result.score : 0),
    worst: (a, b) => last(a) - last(b) || (a.result ? a.result.score - b.result.score : 0),
    name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
  };
  return photos.toSorted(orders[$("sort").value]);
}

function save() {
  // the mark at the start makes spreadsheets read the names as UTF-8
  const url = URL.createObjectURL(new Blob(["\ufeff", csv(sorted())], { type: "text/csv;charset=utf-8" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: "scores.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Bring the page in line with the photographs. */
function show() {
  $("results").hidden = photos.length === 0;
  document.body.classList.toggle("filled", photos.length > 0);
  $("summary").textContent = summary();
  const order = sorted().map((photo) => photo.card.element);
  if (order.some((element, index) => $("list").children[index] !== element)) $("list").replaceChildren(...order);
  const remaining = photos.filter((photo) => photo.again).length;
  $("again").hidden = remaining === 0 || run !== null;
  $("again").textContent = `Score the remaining ${remaining}`;
  $("export").disabled = !photos.some((photo) => photo.result || photo.error);
  $("progress").hidden = run === null;
  if (run) {
    $("done").max = run.total;
    $("done").value = run.done;
    if (run.done && run.done < run.total) announce(`${run.done} of ${run.total}`);
  }
}

function summary() {
  const scored = photos.filter((photo) => photo.result).length;
  const failed = photos.filter((photo) => photo.error).length;
  return `${scored} of ${photos.length} scored${failed ? `, ${failed} without a score` : ""}`;
}

function announce(text) {
  $("live").textContent = text;
}

function askForToken(wrong) {
  $("access-text").textContent = wrong
    ? "This is not the token. Try again."
    : "This service asks for a token. It is kept until you close this page.";
  $("token").value = "";
  $("access").showModal();
  $("access").onclose = () => $("access").showModal(); // nothing works without the token
  return new Promise((resolve) => {
    $("access-form").onsubmit = (event) => {
      event.preventDefault();
      $("access").onclose = null;
      $("access").close();
      resolve($("token").value.trim());
    };
  });
}

/** Files of a drop; folders cannot be read this way. */
function dropped(transfer) {
  const folders = [...transfer.items].filter((item) => item.webkitGetAsEntry?.()?.isDirectory).length;
  if (folders) announce("Folders cannot be dropped here. Drop the photographs in them.");
  return [...transfer.files].filter((_, index) => !transfer.items[index]?.webkitGetAsEntry?.()?.isDirectory);
}

$("files").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});
let depth = 0; // of elements that a dragged file is over
document.addEventListener("dragenter", () => document.body.classList.toggle("dragging", ++depth > 0));
document.addEventListener("dragleave", () => document.body.classList.toggle("dragging", --depth > 0));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("dragging");
  if (!$("access").open) add(dropped(event.dataTransfer));
});
document.addEventListener("paste", (event) => add([...event.clipboardData.files]));
$("sort").addEventListener("change", show);
$("maps").addEventListener("change", toggleMaps);
$("again").addEventListener("click", scoreAgain);
$("export").addEventListener("click", save);
$("clear").addEventListener("click", clear);
$("cancel").addEventListener("click", stop);
start();
