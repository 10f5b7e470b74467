// Charts made of elements: bars whose lengths are shares of the available width.

const MOST_CLASSES = 12;
const MOST_CONTRIBUTIONS = 10;

function measured(share, text, kind = "bar") {
  const bar = element("span", { class: kind, "--share": Math.min(Math.max(share, 0), 1).toFixed(4), "aria-hidden": "true" });
  return element("div", { class: "measured" }, bar, element("span", {}, text));
}

function probabilityBars(model, answer) {
  const all = model.classes.map((name, i) => ({ name, share: answer[PROBABILITIES][i] }));
  const isLong = all.length > MOST_CLASSES;
  const classes = isLong ? all.toSorted((a, b) => b.share - a.share).slice(0, MOST_CLASSES) : all;
  const rows = classes.map(({ name, share }) => [
    outside(name, 40),
    measured(share, percent(share), name === answer[LABEL] ? "bar" : "bar second"),
  ]);
  if (isLong) {
    const rest = all.reduce((sum, { share }) => sum + share, 0) - classes.reduce((sum, { share }) => sum + share, 0);
    rows.push([`${all.length - classes.length} others`, measured(rest, percent(Math.max(rest, 0)), "bar second")]);
  }
  return table("Probabilities", [{ head: "Class" }, { head: "Probability", number: true }], rows, { class: "fill probabilities" });
}

// The interval as a band, with a mark at the prediction.
function intervalRange(model, answer) {
  if (!answer.interval) return null;
  const [low, high] = answer.interval;
  const width = high - low || Math.abs(high) || 1;
  const start = Math.min(low, answer.score) - width / 5;
  const end = Math.max(high, answer.score) + width / 5;
  const at = (value) => ((value - start) / (end - start)).toFixed(4);
  return element(
    "div",
    { class: "interval" },
    element("h3", {}, "Interval"),
    element(
      "div",
      { class: "range", "aria-hidden": "true" },
      element("span", { class: "band", "--from": at(low), "--to": at(high) }),
      element("span", { class: "mark", "--from": at(answer.score) }),
    ),
    element("p", {}, outside(model.target || "The target"), ` is between ${number(low)} and ${number(high)}. `, element("small", {}, onAverage(model, "such intervals contain the true value"))),
  );
}

// How often that holds: on average over rows, at the level that the model was trained for.
const onAverage = ({ level }, what) => (level === null ? "" : `On average over new rows like those of training, about ${number(100 * level)} % of ${what}.`);

// The output whose contributions somebody has chosen to see; by default those of the predicted class.
let explainedOutput = null;

// The contributions of the features to one output, the largest first.
function explanation(model, answer, row) {
  if (!answer.contributions) return null;
  const outputs = outputNames(model, answer);
  const body = element("div", {});
  const show = (i) => body.replaceChildren(contributionTable(model, answer, row, outputs[i]));
  const parts = [element("h3", {}, "Why")];
  const chosen = outputs.findIndex(({ name }) => name === explainedOutput);
  const start = chosen >= 0 ? chosen : Math.max(outputs.findIndex(({ name }) => name === answer[LABEL]), 0);
  if (outputs.length > 1) {
    const options = outputs.map(({ name }, i) => element("option", { value: i, selected: i === start }, String(name)));
    const select = element("select", { id: "explained", onchange: () => { explainedOutput = outputs[select.value].name; show(Number(select.value)); } }, ...options);
    parts.push(element("div", { class: "field inline" }, element("label", { for: "explained" }, "Contributions to"), select));
  }
  show(start);
  return element("div", { class: "why" }, ...parts, body);
}

function outputNames(model, answer) {
  const base = [answer.expected_value ?? 0].flat();
  if (base.length === 1) return [{ name: model.classes.at(-1) ?? (model.target || "the prediction"), index: null, base: base[0] }];
  const names = model.classes.length ? model.classes : base.map((_, i) => `number ${i + 1}`);
  return base.map((value, index) => ({ name: names[index], index, base: value }));
}

function contributionTable(model, answer, row, output) {
  const names = Object.keys(answer.contributions);
  const entries = names.map((name, i) => {
    const value = answer.contributions[name];
    return { label: featureLabel(name, row?.[i]), value: output.index === null ? value : value[output.index] };
  });
  const sum = entries.reduce((total, { value }) => total + value, output.base);
  const ranked = entries.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const features = ranked.slice(0, MOST_CONTRIBUTIONS);
  const rest = ranked.slice(MOST_CONTRIBUTIONS);
  if (rest.length) {
    features.push({ label: plural(rest.length, "other feature"), value: rest.reduce((total, { value }) => total + value, 0) });
  }
  const low = Math.min(0, ...features.map(({ value }) => value));
  const high = Math.max(0, ...features.map(({ value }) => value));
  const span = high - low || 1;
  const rows = features.map(({ label, value }) => [label, signedBar((Math.min(value, 0) - low) / span, (Math.max(value, 0) - low) / span, value, signed(value, Math.max(high, -low)))]);
  const columns = [{ head: "Feature" }, { head: "Contribution", number: true }];
  const caption = element(
    "span",
    {},
    `From ${number(output.base)}, the average answer, to ${number(sum)}`,
    isInProbability(answer, output, sum) || model.kind !== "classification" ? "" : ", in the model's raw score",
    `${model.classes.length && output.index === null ? " for " : ""}`,
    model.classes.length && output.index === null ? outside(output.name) : null,
    ".",
  );
  return table(caption, columns, rows, { class: "fill contributions" });
}

function isInProbability(answer, output, sum) {
  const shares = answer[PROBABILITIES] ?? [];
  return Math.abs((output.index === null ? shares.at(-1) : shares[output.index]) - sum) < 1e-4;
}

function featureLabel(name, value) {
  const text = value === undefined ? "" : value === null ? "missing" : typeof value === "number" ? plain(value) : String(value);
  return element("span", {}, outside(name, 40), element("small", {}, outside(text, 40)));
}

function signedBar(from, to, value, text) {
  const bar = element("span", { class: value < 0 ? "down" : "up", "--from": from.toFixed(4), "--to": to.toFixed(4) });
  const axis = element("span", { class: "axis", "--from": (value < 0 ? to : from).toFixed(4) });
  return element("div", { class: "measured" }, element("span", { class: "signed", "aria-hidden": "true" }, axis, bar), element("span", {}, text));
}
