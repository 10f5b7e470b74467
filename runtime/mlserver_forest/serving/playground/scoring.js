// Scores a CSV file in pieces, and returns it with the predictions, and the reasons that were looked at, at the end of its lines.

const PIECE_CHARS = 1 << 19;
const PIECE_ROWS = 5_000;
const MOST_PROBABILITIES = 20;
const MOST_KEPT_ROWS = 10_000;

class Scoring {
  constructor(model) {
    this.model = model;
    this.input = element("input", { type: "file", id: "file", accept: ".csv,text/csv,text/plain", "aria-describedby": "file-hint", onchange: () => this.start(this.input.files[0]) });
    this.progress = element("progress", { max: "1", value: "0", "aria-label": "Share of the file that has been scored" });
    this.cancel = element("button", { type: "button", class: "plain", onclick: () => this.abort?.abort() }, "Cancel");
    this.running = element("div", { class: "running", hidden: true }, this.progress, this.cancel);
    this.outcome = element("div", { role: "status" });
    this.zone = element(
      "div",
      { class: "drop" },
      element("label", { for: "file" }, "Drop a CSV file here, or choose one"),
      this.input,
      element("p", { class: "hint", id: "file-hint" }, this.hint()),
    );
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      this.zone.addEventListener(name, (event) => this.drag(event));
    }
    this.section = section("score", "Score a file", this.zone, this.running, this.outcome);
  }

  hint() {
    const { features } = this.model;
    if (!features || this.model.kind === "unknown") return "One row per line, without a header.";
    return `Either with a header that names the features, in any order and among other columns, or without a header and with the ${plural(features.length, "feature")} in order.`;
  }

  drag(event) {
    event.preventDefault();
    this.zone.classList.toggle("over", event.type === "dragenter" || event.type === "dragover");
    if (event.type === "drop" && event.dataTransfer.files.length) this.start(event.dataTransfer.files[0]);
  }

  async start(file) {
    if (!file) return;
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.running.hidden = false;
    this.progress.value = 0;
    this.outcome.replaceChildren(element("p", { class: "waiting-words" }, element("span", { class: "spinner", "aria-hidden": "true" }), "Scoring ", outside(file.name), " …"));
    try {
      const scored = await new ScoredFile(this.model, file, abort.signal, (share) => { this.progress.value = share; }).run();
      this.finish(file, scored);
    } catch (error) {
      if (this.abort !== abort) return;
      const text = abort.signal.aborted ? "Cancelled; nothing was written." : error.message;
      this.outcome.replaceChildren(element("p", { class: "error", role: "alert" }, text));
    }
    if (this.abort === abort) this.running.hidden = true;
    this.input.value = "";
  }

  finish(file, scored) {
    const { count, ignored } = scored;
    const name = `${file.name.replace(/\.[^.]*$/, "")}-predictions.csv`;
    const table = scored.rows.length ? new ResultsTable(this.model, scored) : null;
    const renew = (event) => {
      URL.revokeObjectURL(this.url);
      this.url = URL.createObjectURL(new Blob(scored.lines(table?.reasons), { type: "text/csv" }));
      event.currentTarget.href = this.url;
    };
    const others = ignored.length ? element("p", { class: "note" }, "Columns that are not features were kept, but not sent to the model: ", outside(ignored.join(", "), 200), ".") : null;
    this.outcome.replaceChildren(
      element("p", { tabindex: "-1" }, `${plural(count, "row")} scored. `, element("a", { href: "#", download: name, id: "download", onclick: renew }, `Download ${name}`)),
      ...[others].filter(Boolean),
      table?.element ?? element("pre", { tabindex: "0", "aria-label": "The first lines" }, element("code", {}, scored.lines().slice(0, 20).join("").slice(0, 500))),
    );
  }
}

class ScoredFile {
  constructor(model, file, signal, onProgress) {
    Object.assign(this, { model, file, signal, onProgress });
    this.head = "";
    this.scored = [];
    this.rows = [];
    this.count = 0;
    this.ignored = [];
    this.piece = [];
    this.size = 0;
    this.columns = columnsOf(model);
  }

  async run() {
    const records = new Records();
    const reader = this.file.stream().pipeThrough(new TextDecoderStream("utf-8", { fatal: true })).getReader();
    try {
      for (let isLast = false; !isLast; ) {
        const { done, value } = await reader.read();
        isLast = done;
        for (const record of records.take(value ?? "", isLast)) await this.add(record);
      }
      await this.send();
    } catch (error) {
      throw error instanceof TypeError && /decod|encod/i.test(error.message) ? new Error("The file is not UTF-8 text.") : error;
    } finally {
      reader.cancel().catch(() => {});
    }
    if (!this.count) throw new Error("The file has no rows.");
    return this;
  }

  async add(record) {
    if (!this.width) {
      this.width = record.fields.length;
      if (this.readHeader(record)) return;
    }
    if (record.fields.length !== this.width) {
      throw new Error(`Line ${record.line} has ${plural(record.fields.length, "field")}; the first line has ${this.width}.`);
    }
    this.piece.push(record);
    this.size += record.text.length;
    if (this.size >= PIECE_CHARS || this.piece.length >= PIECE_ROWS) await this.send();
  }

  // Whether the first line is a header; if so, finds the features' columns in it.
  readHeader({ fields, text }) {
    const names = this.model.features?.map(({ name }) => name);
    if (!names) return false;
    const found = fields.map((field) => field.trim());
    const places = names.map((name) => found.indexOf(name));
    const isNamed = places.some((place) => place >= 0);
    if (isNamed) {
      const missing = names.filter((_, i) => places[i] < 0);
      if (missing.length) throw new Error(`The header does not have ${missing.slice(0, MOST_NAMED).join(", ")}${missing.length > MOST_NAMED ? ", ..." : ""}; the model reads ${plural(names.length, "feature")}.`);
      this.places = places;
      this.ignored = found.filter((name) => !names.includes(name));
    } else if (fields.length !== names.length) {
      throw new Error(`The first line has ${plural(fields.length, "field")}; the model reads ${names.length}: ${names.slice(0, MOST_NAMED).join(", ")}${names.length > MOST_NAMED ? ", ..." : ""}. Add a header that names the columns, or remove the other columns.`);
    }
    const looksLikeNames = found.every((field) => field && Number.isNaN(Number(field))) && this.model.features.some((feature) => !("categories" in feature));
    if (!isNamed && !looksLikeNames) return false;
    this.head = [text, ...this.columns.map(({ head }) => csvField(head))].join(",");
    return true;
  }

  async send() {
    const { piece } = this;
    if (!piece.length) return;
    this.piece = [];
    this.size = 0;
    const line = ({ text, fields }) => (this.places ? this.places.map((place) => csvField(fields[place].trim())).join(",") : text);
    const lines = piece.map(line);
    const body = lines.join("\n");
    const isKnown = this.columns.length > 0;
    const accept = isKnown ? "application/jsonlines" : "text/csv";
    const marks = this.model.insights.filter((name) => name === "out_of_range_features");
    const outputs = [...new Set(this.columns.map(({ output }) => output)), ...(isKnown ? marks : [])];
    let text;
    try {
      text = await post(this.model.routes.invocations, body, "text/csv", accept, outputs, this.signal);
    } catch (error) {
      const row = /^row (\d+)/.exec(error.message);
      const record = row && piece[Number(row[1]) - 1];
      throw record ? new Error(`Line ${record.line}${error.message.slice(row[0].length)}`) : error;
    }
    const answers = text.trimEnd().split("\n").map((answer) => (isKnown ? JSON.parse(answer) : answer));
    const appended = (answer) => (isKnown ? this.columns.map(({ of }) => csvField(of(answer))).join(",") : answer);
    if (isKnown) {
      const kept = piece.slice(0, MOST_KEPT_ROWS - this.rows.length);
      this.rows.push(...kept.map((record, i) => ({ line: record.line, fields: record.fields, text: lines[i], answer: answers[i] })));
    }
    for (const [i, record] of piece.entries()) this.scored.push(`${record.text},${appended(answers[i])}`);
    this.count += piece.length;
    this.taken = (this.taken ?? 0) + body.length;
    this.onProgress(Math.min(this.taken / Math.max(this.file.size, 1), 1));
  }

  // The file's lines with the answers, and with the reasons of the rows that have any: [name, contribution] pairs by row.
  lines(reasons) {
    const places = this.rows.map((row) => reasons?.get(row)).map((found) => (Array.isArray(found) ? found : []));
    const count = Math.max(0, ...places.map((pairs) => pairs.length));
    const numbers = Array.from({ length: count }, (_, i) => i);
    const cells = (pairs) => numbers.map((i) => (pairs?.[i] ? `,${csvField(pairs[i][0])},${pairs[i][1]}` : ",,")).join("");
    const found = this.scored.map((text, i) => `${text}${cells(places[i])}\n`);
    return this.head ? [`${this.head}${numbers.map((i) => `,reason_${i + 1},contribution_${i + 1}`).join("")}\n`, ...found] : found;
  }
}

// The appended columns: the name of each, its output, and how it is read from an answer.
function columnsOf(model) {
  const column = (head, output, of) => ({ head, output, of });
  const numbered = (head, output, count) =>
    count > 1 ? Array.from({ length: count }, (_, i) => column(`${head}_${i + 1}`, output, (answer) => answer[output][i])) : [column(head, output, (answer) => answer[output])];
  const interval = model.insights.includes("interval")
    ? ["low", "high"].map((end, i) => column(`interval_${end}`, "interval", (answer) => answer.interval[i]))
    : [];
  const classes = model.classes.length <= MOST_PROBABILITIES ? model.classes : [];
  const label = column("prediction", LABEL, (answer) => answer[LABEL]);
  const columns = {
    classification: () => [label, ...classes.map((name, i) => column(`probability_${name}`, PROBABILITIES, (answer) => answer[PROBABILITIES][i]))],
    regression: () => [...numbered("prediction", "score", model.n_targets), ...interval],
    anomaly_detection: () => [label, ...["score_samples", "decision_function"].map((name) => column(name, name, (answer) => answer[name]))],
    unknown: () => [],
  };
  return columns[model.kind]();
}
