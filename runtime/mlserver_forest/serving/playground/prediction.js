// Requests to the model, and how its answers are displayed.

const RETRIES = 5;
const LABEL = "predicted_label";
const PROBABILITIES = "probabilities";
// The outputs of each kind of model, by their names on /invocations.
const OUTPUTS = {
  classification: [LABEL, PROBABILITIES],
  regression: ["score"],
  anomaly_detection: [LABEL, "score_samples", "decision_function"],
  unknown: [],
};
const EXPLAINED = ["contributions", "expected_value", "interval", "prediction_set", "out_of_range", "out_of_range_features"];
const outputsOf = (model) => [...OUTPUTS[model.kind], ...EXPLAINED.filter((name) => model.insights.includes(name))];

// POST a body, again if the server is busy. Returns the answer's text, or throws the server's error.
async function post(path, body, contentType, accept, outputs, signal, onBusy) {
  const headers = { "content-type": contentType, accept };
  if (outputs.length) headers["x-amzn-sagemaker-custom-attributes"] = `outputs=${outputs.join(",")}`;
  for (let turn = 0; ; turn++) {
    const response = await fetch(path, { method: "POST", body, headers, signal }).catch((error) => {
      throw signal?.aborted ? error : new Error(`The server at ${location.host} does not answer. It may have stopped; start it again, and then choose Predict.`);
    });
    const text = await response.text();
    if (response.ok) return text;
    if (response.status === 503 && turn < RETRIES) {
      const seconds = Number(response.headers.get("retry-after")) || 1;
      onBusy?.(`The server is busy; trying again in ${plural(seconds, "second")} …`);
      await new Promise((resume) => setTimeout(resume, 1000 * seconds));
      continue;
    }
    throw new Error(errorOf(text) ?? `the server answered ${response.status}`);
  }
}

function errorOf(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return null;
  }
}

async function predictRows(model, rows, outputs, onBusy) {
  const body = JSON.stringify({ instances: rows });
  const text = await post(model.routes.invocations, body, "application/json", "application/json", outputs, undefined, onBusy);
  return JSON.parse(text).predictions;
}

// The answer in one line.
function summary(model, answer) {
  if (model.kind === "classification") {
    // With a threshold, the predicted class is not always the most probable one.
    const share = answer[PROBABILITIES][model.classes.indexOf(answer[LABEL])];
    return `Predicted ${answer[LABEL]}, ${percent(share)}`;
  }
  if (model.kind === "anomaly_detection") return answer[LABEL] < 0 ? "Predicted an outlier" : "Predicted an inlier";
  return `Predicted ${model.target ? `${model.target} ` : ""}${[answer.score].flat().map(number).join(", ")}`;
}

// Headed by the name of what is predicted, if the model's card has it.
function answerElements(model, answer, row) {
  const target = model.target ? element("p", { class: "target" }, outside(model.target)) : null;
  const elements = {
    classification: () => [headline(outside(answer[LABEL])), probabilityBars(model, answer)],
    regression: () => [headline([answer.score].flat().map(number).join(", ")), intervalRange(model, answer)],
    anomaly_detection: () => [headline(answer[LABEL] < 0 ? "Outlier" : "Inlier"), anomalyScores(answer)],
  };
  return [target, ...elements[model.kind](), predictionSet(model, answer), outOfRangeNote(model, answer), explanation(model, answer, row)].filter(Boolean);
}

const headline = (content) => element("p", { class: "answer" }, content);

function predictionSet(model, answer) {
  const set = answer.prediction_set;
  if (!set) return null;
  const names = set.length ? set.map((name) => element("li", {}, outside(name))) : [element("li", { class: "none" }, "no class")];
  return element("div", { class: "set" }, element("h3", {}, "Prediction set"), element("ul", { class: "chips" }, ...names), setNote(model));
}

const setNote = (model) => element("p", { class: "note" }, onAverage(model, "such sets contain the true class"));

function outOfRangeNote(model, answer) {
  const names = answer.out_of_range_features ?? [];
  if (!names.length) return null;
  const list = names.slice(0, MOST_NAMED).flatMap((name, i) => [i ? ", " : "", outside(name)]);
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  return element("p", { class: "warning" }, "Outside the training range: ", ...list, `${more}. The model has never been tested on such values.`, model.level === null ? null : ` The ${number(100 * model.level)} % above are an average over rows like those of training, and do not hold for a row like this one.`);
}

function anomalyScores(answer) {
  const rows = [
    ["Score of the row", number(answer.score_samples)],
    ["Distance to the threshold", signed(answer.decision_function)],
  ];
  return table("A distance below 0 means an outlier", [{ head: "Measure" }, { head: "Value", number: true }], rows, { class: "fill" });
}
