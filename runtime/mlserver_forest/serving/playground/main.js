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
  const rowOf = () => (fields ? fields.row() : null);
  let turn = 0;

  async function ask() {
    const mine = ++turn;
    const row = rowOf();
    calls.update(callsOf(model, row, line?.value.trim() ?? null));
    answer.classList.add("waiting");
    try {
      const found = fields ? await predictRow(model, row) : await predictLine(model, line.value.trim());
      if (mine !== turn) return;
      error.hidden = true;
      answer.replaceChildren(...(found.elements ?? answerElements(model, found, row)));
      status.textContent = found.summary ?? summary(model, found);
      fields?.markOutOfRange(found.out_of_range_features ?? []);
    } catch (fault) {
      if (mine !== turn) return;
      error.textContent = fault.message;
      error.hidden = false;
      answer.replaceChildren(element("p", { class: "note" }, "No prediction."));
    }
    answer.classList.remove("waiting");
  }

  const another = model.samples.length > 1 && fields
    ? element("button", { type: "button", class: "plain", onclick: () => { fields.nextSample(); ask(); } }, "Another sample row")
    : null;
  const form = element(
    "form",
    {
      novalidate: false,
      onsubmit: (event) => { event.preventDefault(); ask(); },
      onchange: (event) => { if (event.target.closest(".fields") && form.checkValidity()) ask(); },
    },
    ...(fields ? fields.elements() : lineElements(model, line)),
    error,
    element("div", { class: "actions" }, element("button", { type: "submit" }, "Predict"), another),
  );
  const start = () => {
    if (fields) fields.nextSample();
    else if (model.samples.length) line.value = model.samples[0].map(csvField).join(",");
    if (fields ? model.samples.length : line.value) ask();
    else calls.update(callsOf(model, rowOf(), line?.value ?? null));
  };
  const whole = element(
    "div",
    { class: "try" },
    section("form", "A row", form),
    section("prediction", "Prediction", status, answer),
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
