// The rows of a scored file as a table: sorted by any column, out-of-range values marked, reasons beside each row.

const PAGE_ROWS = 20;
const MOST_FEATURE_COLUMNS = 30;
const MOST_REASONS = 3;

class ResultsTable {
  // `rows` have { line, fields, text, answer }; `places` are the features' columns in their fields.
  constructor(model, { rows, count, places }) {
    Object.assign(this, { model, rows, count });
    const features = (model.features ?? []).slice(0, MOST_FEATURE_COLUMNS);
    this.columns = [
      { head: "Line", number: true, value: ({ line }) => line, cell: (row) => this.lineCell(row) },
      ...resultColumns(model),
      ...features.map((feature, i) => this.featureColumn(feature, places ? places[i] : i)),
    ];
    this.places = places;
    this.hasReasons = model.insights.includes("contributions");
    this.sortedBy = null;
    this.start = 0;
    this.shown = rows;
    this.reasons = new Map();
    this.caption = element("span", {});
    this.status = element("p", { class: "note", role: "status" });
    this.table = element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Scored rows" });
    this.back = element("button", { type: "button", class: "plain", onclick: () => this.turn(-PAGE_ROWS) }, "Previous");
    this.next = element("button", { type: "button", class: "plain", onclick: () => this.turn(PAGE_ROWS) }, "Next");
    const nOutside = rows.filter((row) => outsideOf(row).length).length;
    const only = nOutside
      ? element(
          "label",
          { class: "check" },
          element("input", { type: "checkbox", onchange: (event) => this.filter(event.target.checked) }),
          ` Only rows with a value outside the training range (${nOutside.toLocaleString("en")})`,
        )
      : null;
    this.element = element("div", { class: "results" }, only, this.table, element("div", { class: "actions" }, this.back, this.next), this.status);
    this.draw();
  }

  lineCell({ line, fields }) {
    const { model, places } = this;
    if (!isLinkable(model)) return String(line);
    const row = model.features.map((_, i) => fields[places ? places[i] : i].trim() || null);
    return element("a", { href: fragmentOf(model, row), title: "Open this row in the form" }, String(line));
  }

  featureColumn(feature, place) {
    const isNumber = !("categories" in feature) && !feature.is_date;
    const text = (row) => row.fields[place].trim();
    return {
      head: feature.name,
      isFeature: true,
      number: isNumber,
      value: (row) => (isNumber ? (text(row) === "" ? NaN : Number(text(row))) : text(row)),
      cell: (row) => valueCell(text(row), isNumber, outsideOf(row).includes(feature.name)),
    };
  }

  filter(isOnly) {
    this.shown = isOnly ? this.rows.filter((row) => outsideOf(row).length) : this.rows;
    this.start = 0;
    this.sort();
  }

  turn(by) {
    this.start += by;
    this.draw();
  }

  sortBy(index) {
    const isSame = this.sortedBy?.index === index;
    this.sortedBy = { index, isDown: isSame ? !this.sortedBy.isDown : false };
    this.start = 0;
    this.sort();
    this.table.querySelectorAll("thead button")[index].focus();
  }

  // Missing values come last in both directions.
  sort() {
    if (this.sortedBy) {
      const { index, isDown } = this.sortedBy;
      const { value, number: isNumber } = this.columns[index];
      const isMissing = (found) => (isNumber ? Number.isNaN(found) : found === "");
      const order = (a, b) => (isNumber ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
      this.shown = this.shown
        .map((row) => ({ row, found: value(row) }))
        .sort((a, b) => isMissing(a.found) - isMissing(b.found) || (isDown ? order(b.found, a.found) : order(a.found, b.found)))
        .map(({ row }) => row);
    }
    this.draw();
  }

  draw() {
    const rows = this.shown.slice(this.start, this.start + PAGE_ROWS);
    const heads = this.columns.map((column, i) => this.head(column, i));
    const first = this.columns.filter(({ isFeature }) => !isFeature).length;
    if (this.hasReasons) heads.splice(first, 0, element("th", { scope: "col" }, "Reasons"));
    const body = rows.map((row) => {
      const cells = this.columns.map((column, i) => element(i ? "td" : "th", { scope: i ? null : "row", class: column.number ? "n" : null }, column.cell(row)));
      if (this.hasReasons) cells.splice(first, 0, element("td", { class: "reasons" }, this.reasonsCell(row)));
      return element("tr", {}, ...cells);
    });
    const kept = this.count > this.rows.length ? ` The table has the first ${this.rows.length.toLocaleString("en")} rows; the download has all.` : "";
    const caption = `Rows ${this.shown.length ? this.start + 1 : 0} to ${this.start + rows.length} of ${this.shown.length.toLocaleString("en")}.${kept} The number of a line opens the row in the form.`;
    this.table.replaceChildren(
      element("table", { class: "fill scored" }, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...body)),
    );
    this.back.disabled = this.start === 0;
    this.next.disabled = this.start + PAGE_ROWS >= this.shown.length;
    this.back.hidden = this.next.hidden = this.shown.length <= PAGE_ROWS;
    this.explain(rows);
  }

  head({ head, number: isNumber }, i) {
    const isSorted = this.sortedBy?.index === i;
    const order = isSorted ? (this.sortedBy.isDown ? "descending" : "ascending") : "none";
    const mark = element("span", { class: "order", "aria-hidden": "true" }, isSorted ? (this.sortedBy.isDown ? " ↓" : " ↑") : "");
    const button = element("button", { type: "button", class: "sort", onclick: () => this.sortBy(i) }, outside(head, 30), mark);
    return element("th", { scope: "col", class: isNumber ? "n" : null, "aria-sort": order }, button);
  }

  reasonsCell(row) {
    const found = this.reasons.get(row);
    return Array.isArray(found) ? shownReasons(found) : (found ?? "…");
  }

  // The reasons of the rows on this page, in one request.
  async explain(rows) {
    const open = rows.filter((row) => !this.reasons.has(row));
    if (!this.hasReasons || !open.length) return;
    try {
      const body = open.map(({ text }) => text).join("\n");
      const found = await post(this.model.routes.invocations, body, "text/csv", "application/jsonlines", ["contributions", "expected_value"]);
      const answers = found.trimEnd().split("\n").map((line) => JSON.parse(line));
      open.forEach((row, i) => this.reasons.set(row, reasonsOf(this.model, row.answer, answers[i])));
    } catch (error) {
      for (const row of open) this.reasons.set(row, "–");
      this.status.textContent = `There are no reasons: ${error.message}`;
    }
    if (rows.every((row, i) => this.shown[this.start + i] === row)) this.draw();
  }
}

const outsideOf = ({ answer }) => answer?.out_of_range_features ?? [];

// What the model says of a row: the class and its probability, or the number and its interval.
function resultColumns(model) {
  const numeric = (head, of) => ({ head, number: true, value: ({ answer }) => of(answer) ?? NaN, cell: ({ answer }) => number(of(answer) ?? NaN) });
  const named = (head, of) => ({ head, number: false, value: ({ answer }) => String(of(answer)), cell: ({ answer }) => outside(String(of(answer)), 40) });
  const share = (answer) => answer[PROBABILITIES]?.[model.classes.indexOf(answer[LABEL])];
  const target = model.target || "Prediction";
  const columns = {
    classification: () => [
      named(target, (answer) => answer[LABEL]),
      { head: "Probability", number: true, value: ({ answer }) => share(answer) ?? NaN, cell: ({ answer }) => (share(answer) === undefined ? "–" : percent(share(answer))) },
    ],
    regression: () => (model.n_targets > 1
      ? Array.from({ length: model.n_targets }, (_, i) => numeric(`${target} ${i + 1}`, ({ score }) => score[i]))
      : [
          numeric(target, ({ score }) => score),
          ...(model.insights.includes("interval") ? ["From", "To"].map((head, i) => numeric(head, ({ interval }) => interval[i])) : []),
        ]),
    anomaly_detection: () => [named("Prediction", (answer) => (answer[LABEL] < 0 ? "outlier" : "inlier")), numeric("Score", (answer) => answer.score_samples)],
    unknown: () => [],
  };
  return columns[model.kind]();
}

function valueCell(text, isNumber, isOutside) {
  const shown = text === "" ? "–" : isNumber && text.length > 9 && Number.isFinite(Number(text)) ? number(Number(text)) : text;
  if (!isOutside) return outside(shown, 40);
  return element("span", { class: "outside", title: "outside the training range" }, outside(shown, 40), element("span", { class: "unseen" }, " (outside the training range)"));
}

// The features that moved an answer the most: [name, contribution] pairs.
function reasonsOf(model, answer, explained) {
  const outputs = outputNames(model, explained);
  const output = outputs.find(({ name }) => name === answer[LABEL]) ?? outputs[0];
  // Of two classes, what speaks for one speaks against the other.
  const sign = model.kind === "classification" && output.index === null && output.name !== answer[LABEL] ? -1 : 1;
  const value = (found) => sign * (output.index === null ? found : found[output.index]);
  const ranked = Object.entries(explained.contributions)
    .map(([name, found]) => [name, value(found)])
    .filter(([, found]) => found !== 0)
    .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a))
    .slice(0, MOST_REASONS);
  return ranked;
}

function shownReasons(ranked) {
  if (!ranked.length) return element("span", {}, "none");
  const greatest = Math.abs(ranked[0][1]);
  return element("span", {}, ...ranked.flatMap(([name, found], i) => [i ? ", " : "", outside(name, 24), ` ${brief(found, greatest)}`]));
}

// A signed number with three digits.
function brief(value, greatest) {
  const size = Math.floor(Math.log10(greatest));
  if (size >= 6 || size < -4) return signed(value);
  const digits = Math.max(0, 2 - size);
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "exceptZero" }).replaceAll("-", "−");
}
