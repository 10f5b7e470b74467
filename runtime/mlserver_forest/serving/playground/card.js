// The model card: what the model is, when and with what it was trained, and how good it is.

const KINDS = {
  classification: "classification",
  regression: "regression",
  anomaly_detection: "anomaly detector",
  unknown: "model of another runtime",
};
const LOST = { accuracy: "accuracy", r2: "R²" };
// The card shows the first of these sets that was evaluated: the one that the model has seen least.
const PREFERRED_SETS = ["test", "validation", "cross_validation", "oob", "train"];
const HEADLINE = ["accuracy", "roc_auc", "r2", "rmse"];
const MOST_NAMED = 5;

// The names of metrics and sets come with the document, as the training report has them.
const { metrics: METRICS, sets: SETS } = JSON.parse(document.getElementById("document").textContent).names;
const setName = (name) => SETS[name] ?? name;
const metricName = (name) => METRICS[name]?.title ?? name;
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function measure(name, value) {
  if (value === undefined) return "–";
  return METRICS[name]?.has_unit ? number(value) : value.toFixed(4).replace("-", "−");
}

function cardHeader(model) {
  const card = model.card ?? {};
  const made = [card.title, date(card.trained), ...model.versions].filter(Boolean);
  return [
    element("h1", {}, outside(model.name)),
    element("p", { class: "lead" }, ...lead(model)),
    made.length ? element("p", { class: "made" }, ...made.map((text) => element("span", {}, outside(text)))) : null,
    model.report ? element("p", {}, element("a", { href: model.report }, "The report on its training")) : null,
    figures(model, card),
    model.report ? element("p", { class: "more" }, element("a", { href: model.report }, "Training report")) : null,
  ];
}

function lead(model) {
  if (model.kind === "unknown") return ["A model of another runtime, which does not describe its features and classes."];
  const features = `from ${plural(model.n_features, "feature")}.`;
  if (model.kind === "regression") {
    const targets = model.n_targets > 1 ? plural(model.n_targets, "number") : "a number";
    return model.target ? ["Predicts ", outside(model.target), ` ${features}`] : [`Predicts ${targets} ${features}`];
  }
  if (model.kind === "anomaly_detection") return [`Detects outliers ${features}`];
  if (model.classes.length > MOST_NAMED) {
    const classes = `one of ${model.classes.length.toLocaleString("en")} classes`;
    return model.target ? ["Predicts ", outside(model.target), ` (${classes}) ${features}`] : [`Predicts ${classes} ${features}`];
  }
  const names = model.classes.flatMap((name, i, all) => [
    i === 0 ? "" : i === all.length - 1 ? " or " : ", ",
    outside(name),
  ]);
  return model.target ? ["Predicts ", outside(model.target), " (", ...names, `) ${features}`] : ["Predicts ", ...names, ` ${features}`];
}

function date(text) {
  const when = new Date(text ?? "");
  if (Number.isNaN(when.getTime())) return null;
  const day = when.toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });
  return `${day}, ${when.toISOString().slice(11, 16)} UTC`;
}

function figures(model, card) {
  const metrics = card.metrics ?? {};
  const set = PREFERRED_SETS.find((name) => Object.keys(metrics[name] ?? {}).length);
  const found = metrics[set] ?? {};
  const pairs = HEADLINE.filter((name) => name in found)
    .slice(0, 2)
    .map((name) => [measure(name, found[name]), `${metricName(name)}, ${setName(set)}`]);
  const isMeasured = pairs.length > 0;
  if (card.n_rows) pairs.push([card.n_rows.toLocaleString("en"), "training rows"]);
  if (model.n_trees) pairs.push([model.n_trees.toLocaleString("en"), "trees"]);
  if (model.n_features) pairs.push([model.n_features.toLocaleString("en"), model.n_features === 1 ? "feature" : "features"]);
  const figures = pairs.map(([value, label], i) =>
    element("div", { class: i === 0 && isMeasured ? "first" : null }, element("dt", {}, label), element("dd", {}, value)),
  );
  return figures.length ? element("dl", { class: "figures" }, ...figures) : null;
}

function cardSection(model) {
  const card = model.card ?? {};
  const parts = [metricsTable(card.metrics ?? {}), importancesTable(card)].filter(Boolean);
  if (!parts.length) return null;
  return section("about", "How good it is", element("div", { class: "beside" }, ...parts));
}

function metricsTable(metrics) {
  const sets = Object.keys(metrics).filter((name) => Object.keys(metrics[name]).length);
  const names = [...new Set(sets.flatMap((set) => Object.keys(metrics[set])))];
  if (!names.length) return null;
  const rows = names.map((name) => {
    const meaning = METRICS[name] ? element("small", {}, METRICS[name].meaning) : null;
    return [element("span", {}, metricName(name), meaning), ...sets.map((set) => measure(name, metrics[set][name]))];
  });
  const columns = [{ head: "Metric" }, ...sets.map((set) => ({ head: capital(setName(set)), number: true }))];
  return element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Metrics" }, table("Metrics by set of rows", columns, rows, { class: "fill" }));
}

function importancesTable(card) {
  const entries = Object.entries(card.importances ?? {}).slice(0, 12);
  if (!entries.length) return null;
  const most = Math.max(...entries.map(([, value]) => value), 1e-12);
  const rows = entries.map(([name, value]) => [outside(name, 40), measured(value / most, measure("", value))]);
  return table(`Features by importance: ${importanceMeaning(card)}`, [{ head: "Feature" }, { head: "Importance", number: true }], rows, { class: "fill importances" });
}

function importanceMeaning(card) {
  if (card.measure === "impurity") return "what the trees gained by each feature";
  return `the ${LOST[card.measure] ?? card.measure} lost when the feature is shuffled (${setName(card.measured_on)} rows)`;
}
