// Scores as a CSV file that a spreadsheet opens without running anything in a file name.

const COLUMNS = ["name", "score", "stage3", "stage4", "on_scale", "quality", "notes", "error"];

/** The text of the file: a line for each of `results`, each {name, result, error}. */
export function csv(photos) {
  const rows = photos.map(({ name, result, error }) => {
    const { score, stage3, stage4, on_scale, quality, notes = [] } = result ?? {};
    return [name, score, stage3, stage4, on_scale, quality, notes.join("; "), error];
  });
  return [COLUMNS, ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  // a spreadsheet takes what begins like this for a formula; the quote makes it text
  const text = /^[\s]*[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
