// The page of a model, or the list of the loaded models.

function listPage({ models, unknown, has_more: hasMore }) {
  const said = unknown === null ? null : element("p", { class: "error", role: "alert" }, "No model ", outside(unknown), " is loaded.");
  const links = models.map((name) => element("li", {}, element("a", { href: `/?model=${encodeURIComponent(name)}` }, outside(name))));
  const lead = models.length
    ? hasMore ? `The first ${models.length.toLocaleString("en")} of the loaded models.` : "Choose one to try it."
    : "No model is loaded. Load one with POST /models or with V2's repository API, and reload this page.";
  return {
    header: [element("h1", {}, "Models"), element("p", { class: "lead" }, lead)],
    main: [said, links.length ? element("ul", { class: "models" }, ...links) : null],
  };
}

// A form if the model names its features, or else a box for a line of CSV.
function tryIt(model, calls) {
  const fields = model.features && model.kind !== "unknown" ? new Fields(model) : null;
  const line = fields ? null : element("textarea", { id: "line", rows: "4", spellcheck: "false", required: true, "aria-describedby": "line-hint" });
  const error = element("p", { class: "error", role: "alert", hidden: true });
  const status = element("p", { class: "unseen", role: "status" });
  const answer = element("div", { class: "answer-box" });
  const waiting = new Waiting();
  const link = fields && isLinkable(model) ? new RowLink(model, fields) : null;
  const whatIf = fields ? new WhatIf(model, fields) : null;
  const latest = new Latest(ask);

  // Predict the row of the form; while a value is missing or wrong, the last answer stays, pale.
  async function ask() {
    const row = fields?.row() ?? null;
    answer.classList.add("waiting");
    if (!form.checkValidity()) return;
    calls.update(callsOf(model, row, line?.value.trim() ?? null));
    waiting.start();
    try {
      const found = fields
        ? (await predictRows(model, [row], outputsOf(model), (text) => waiting.say(text)))[0]
        : await predictLine(model, line.value.trim());
      waiting.stop();
      error.hidden = true;
      answer.replaceChildren(...(found.elements ?? answerElements(model, found, row)));
      status.textContent = found.summary ?? summary(model, found);
      fields?.markOutOfRange(found.out_of_range_features ?? []);
      link?.write(row);
      if (!latest.isWanted) await whatIf?.ask(row, found);
    } catch (fault) {
      error.textContent = fault.message;
      error.hidden = false;
      answer.replaceChildren(element("p", { class: "note" }, "No prediction."));
    }
    waiting.stop();
    if (!latest.isWanted) answer.classList.remove("waiting");
  }

  const another = model.samples.length > 1 && fields
    ? element("button", { type: "button", class: "plain", onclick: () => { fields.nextSample(); latest.now(); } }, "Another sample row")
    : null;
  const form = element(
    "form",
    {
      onsubmit: (event) => { event.preventDefault(); latest.now(); },
      oninput: (event) => { if (event.target.id !== "filter") latest.soon(); },
    },
    ...(fields ? fields.elements() : lineElements(model, line)),
    error,
    element("div", { class: "actions" }, element("button", { type: "submit" }, "Predict"), another, link?.button),
  );
  if (whatIf) whatIf.onchange = () => latest.now();
  if (link) addEventListener("hashchange", () => { if (link.read()) { latest.now(); form.scrollIntoView(); } });
  const start = () => {
    if (fields) fields.nextSample();
    else if (model.samples.length) line.value = model.samples[0].map(csvField).join(",");
    link?.read();
    if (fields || line.value) latest.now();
    else calls.update(callsOf(model, null, ""));
  };
  const whole = element(
    "div",
    { class: "try" },
    section("form", "A row", form),
    section("prediction", "Prediction", status, waiting.element, answer, whatIf?.element),
  );
  return { whole, start };
}

function lineElements(model, line) {
  const hint = model.n_features ? `${plural(model.n_features, "value")}, separated by commas` : "Values, separated by commas";
  return [element("div", { class: "field" }, element("label", { for: "line" }, "A line of CSV"), line, element("p", { class: "hint", id: "line-hint" }, hint))];
}

// The answer to a line of CSV.
async function predictLine(model, line) {
  if (model.kind === "unknown") {
    const text = (await post(model.routes.invocations, line, "text/csv", "text/csv", [])).trim();
    return { elements: [headline(outside(text))], summary: `Predicted ${text}` };
  }
  const text = await post(model.routes.invocations, line, "text/csv", "application/jsonlines", outputsOf(model));
  return JSON.parse(text.split("\n")[0]);
}

function modelPage(model) {
  const calls = new Calls();
  const { whole, start } = tryIt(model, calls);
  return {
    header: cardHeader(model),
    main: [whole, calls.section, new Scoring(model).section, cardSection(model)],
    start,
  };
}

const content = JSON.parse(document.getElementById("document").textContent);
const page = content.model ? modelPage(content.model) : listPage(content);
document.querySelector("header").append(...page.header.filter(Boolean));
document.querySelector("main").replaceChildren(...page.main.filter(Boolean));
document.querySelector("footer").append(element("p", {}, "Served by mlserver-forest. Routes: ", element("a", { href: "/openapi.json" }, "openapi.json"), ", ", element("a", { href: "/metrics" }, "metrics"), "."));
page.start?.();
