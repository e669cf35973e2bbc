// Talks to the service: small groups of files, patience when it is full, a token where it asks for one.

const GROUP_FILES = 4;
const GROUP_BYTES = 16e6;
const FORM_BYTES = 4096; // of the form around a few files
const MAX_TRIES = 6;

/** A failure with a sentence for the visitor. `again`: the same request may succeed later. */
export class Failure extends Error {
  constructor(message, again = false) {
    super(message);
    this.again = again;
  }
}

export class Client {
  #token = "";
  #ask;
  #asking = null;

  /** @param {(wrong: boolean) => Promise<string>} ask gives the visitor's token. */
  constructor(ask) {
    this.#ask = ask;
  }

  /** What the model is, and what one request may hold. */
  async model() {
    const response = await this.#fetch("v1/model", {});
    if (!response.ok) throw new Failure((await problem(response)).detail);
    return response.json();
  }

  /** The results of files, in their order. */
  async score(files, { map, signal }) {
    const body = new FormData();
    for (const file of files) body.append("files", file, file.name);
    const response = await this.#fetch(`v1/score${map ? "?map=true" : ""}`, { method: "POST", body, signal });
    const answer = response.ok ? await response.json() : await problem(response);
    if (answer.results?.length === files.length) return answer.results;
    throw new Failure(answer.detail, response.status === 503 || response.status === 408);
  }

  async #fetch(path, init) {
    for (let tries = 1; ; tries++) {
      const token = this.#token;
      const headers = token ? { Authorization: `Bearer ${token}` } : {};
      let response;
      try {
        response = await fetch(path, { ...init, headers });
      } catch (cause) {
        if (init.signal?.aborted) throw cause;
        throw new Failure("The service could not be reached.", true);
      }
      if (response.status === 401) {
        if (token === this.#token) await this.#newToken(token !== "");
      } else if (response.status === 503 && tries < MAX_TRIES) {
        await pause(Number(response.headers.get("Retry-After")) || 1, init.signal);
      } else {
        return response;
      }
    }
  }

  /** Ask once, however many requests were refused. */
  async #newToken(wrong) {
    this.#asking ??= this.#ask(wrong);
    try {
      this.#token = await this.#asking;
    } finally {
      this.#asking = null;
    }
  }
}

/** Files in groups that make requests of moderate size. */
export function* groups(items, maxBodyBytes) {
  const most = Math.min(GROUP_BYTES, maxBodyBytes - FORM_BYTES);
  let group = [];
  let bytes = 0;
  for (const item of items) {
    if (group.length && (group.length === GROUP_FILES || bytes + item.file.size > most)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(item);
    bytes += item.file.size;
  }
  if (group.length) yield group;
}

/** Whether a file alone makes too large a request. */
export function isTooLarge(file, maxBodyBytes) {
  return file.size > maxBodyBytes - FORM_BYTES;
}

async function problem(response) {
  try {
    return await response.json();
  } catch {
    return { detail: `The service answered ${response.status}.` };
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
