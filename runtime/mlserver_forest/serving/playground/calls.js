// The same request as code to copy.

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const csvField = (value) => {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

// A value as Python code; JSON strings are Python strings too.
function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, found]) => `${JSON.stringify(key)}: ${python(found)}`).join(", ")}}`;
  return JSON.stringify(value);
}

// The V2 request: one matrix, which holds text if a feature has categories or dates.
function v2Body(model, row) {
  const hasCategories = model.features?.some((feature) => "categories" in feature || feature.is_date);
  const data = hasCategories ? row.map((value) => (value === null ? "" : String(value))) : row;
  const names = { classification: ["predict", "predict_proba"], anomaly_detection: ["predict", "score_samples"] };
  const outputs = [...(names[model.kind] ?? ["predict"]), ...model.insights.filter((name) => name === "contributions")];
  return {
    inputs: [{ name: "X", shape: [1, row.length], datatype: hasCategories ? "BYTES" : model.datatype, data }],
    outputs: outputs.map((name) => ({ name })),
  };
}

function curl(url, contentType, body, accept) {
  const headers = [`-H 'Content-Type: ${contentType}'`, accept ? `-H 'Accept: ${accept}'` : null].filter(Boolean);
  return `curl -s ${shellQuoted(url)} \\\n  ${headers.join(" ")} \\\n  -d ${shellQuoted(body)}\n`;
}

function pythonUrllib(url, contentType, body) {
  const isJson = contentType === "application/json";
  return [
    isJson ? "import json" : null,
    "from urllib.request import Request, urlopen",
    "",
    isJson ? `body = json.dumps(${python(body)}).encode()` : `body = ${python(body)}.encode()`,
    `request = Request(${python(url)}, body, {"Content-Type": ${python(contentType)}})`,
    "with urlopen(request) as response:",
    isJson ? "    print(json.load(response))" : "    print(response.read().decode())",
    "",
  ].filter((line) => line !== null).join("\n");
}

function pythonTriton(model, body) {
  const [tensor] = body.inputs;
  const dtype = { FP32: "np.float32", FP64: "np.float64", BYTES: "object" }[tensor.datatype];
  const values = tensor.data.map((value) => (value === null ? "np.nan" : python(value))).join(", ");
  const ssl = location.protocol === "https:" ? ", ssl=True" : "";
  return [
    "import numpy as np",
    "import tritonclient.http as v2",
    "",
    `client = v2.InferenceServerClient(${python(location.host)}${ssl})`,
    `x = v2.InferInput("X", ${python(tensor.shape)}, ${python(tensor.datatype)})`,
    `x.set_data_from_numpy(np.array([[${values}]], ${dtype}))`,
    `names = ${python(body.outputs.map(({ name }) => name))}`,
    `answer = client.infer(${python(model.name)}, [x], outputs=[v2.InferRequestedOutput(name) for name in names])`,
    "for name in names:",
    "    print(name, answer.as_numpy(name))",
    "",
  ].join("\n");
}

// The requests by name, for a row of values or for a line of CSV.
function callsOf(model, row, line) {
  const url = new URL(model.routes.invocations, location.href).href;
  const csv = line ?? row.map(csvField).join(",");
  const calls = { "curl, CSV": curl(url, "text/csv", csv) };
  if (!row) return { ...calls, Python: pythonUrllib(url, "text/csv", csv) };
  const instances = { instances: [row] };
  const v2 = v2Body(model, row);
  return {
    ...calls,
    "curl, JSON": curl(url, "application/json", JSON.stringify(instances)),
    Python: pythonUrllib(url, "application/json", instances),
    "curl, V2": curl(new URL(model.routes.infer, location.href).href, "application/json", JSON.stringify(v2)),
    "Python, V2": pythonTriton(model, v2),
  };
}

// Tabs as in the ARIA Authoring Practices: arrow keys choose one, Tab moves on to the code.
class Calls {
  constructor() {
    this.tabs = element("div", { role: "tablist", "aria-label": "Ways to send the request", class: "tabs", onkeydown: (event) => this.move(event) });
    this.code = element("code", {});
    this.button = element("button", { type: "button", class: "plain copy", onclick: () => this.copy() }, "Copy");
    this.panel = element("div", { role: "tabpanel", id: "call", "aria-labelledby": "tab-0" }, element("pre", { tabindex: "0" }, this.code), this.button);
    this.chosen = 0;
    this.section = section("calls", "The same request as code", this.tabs, this.panel);
  }

  update(calls) {
    this.texts = Object.values(calls);
    const names = Object.keys(calls);
    if (this.tabs.childElementCount !== names.length) {
      const make = (name, i) => element("button", { type: "button", role: "tab", id: `tab-${i}`, "aria-controls": "call", onclick: () => this.choose(i) }, name);
      this.tabs.replaceChildren(...names.map(make));
    }
    this.choose(Math.min(this.chosen, names.length - 1));
  }

  choose(i) {
    this.chosen = i;
    [...this.tabs.children].forEach((tab, k) => {
      tab.setAttribute("aria-selected", String(k === i));
      tab.tabIndex = k === i ? 0 : -1;
    });
    this.panel.setAttribute("aria-labelledby", `tab-${i}`);
    this.code.textContent = this.texts[i];
    this.button.textContent = "Copy";
  }

  move(event) {
    const count = this.texts.length;
    const steps = { ArrowRight: 1, ArrowLeft: count - 1 };
    const ends = { Home: 0, End: count - 1 };
    const to = event.key in steps ? (this.chosen + steps[event.key]) % count : ends[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.choose(to);
    this.tabs.children[to].focus();
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.texts[this.chosen]);
      this.button.textContent = "Copied";
    } catch {
      // Only pages from localhost or over HTTPS may write to the clipboard.
      getSelection().selectAllChildren(this.code);
      this.button.textContent = "Selected: copy it now";
    }
  }
}
