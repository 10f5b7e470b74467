// What if: the answer along one feature, all others as in the form, asked in one request.

const N_STEPS = 41;
const MOST_BARS = 30;
const WIDTH = 480;
const HEIGHT = 190;

class WhatIf {
  constructor(model, fields) {
    Object.assign(this, { model, fields });
    const most = Object.keys(model.card?.importances ?? {});
    const first = model.features.findIndex(({ name }) => name === most[0]);
    const options = model.features.map(({ name }, i) => element("option", { value: i, selected: i === Math.max(first, 0) }, name.slice(0, 80)));
    this.select = element("select", { id: "what-if-feature", onchange: () => this.onchange?.() }, ...options);
    this.body = element("div", {});
    this.element = element(
      "div",
      { class: "what-if" },
      element("h3", {}, "What if"),
      element("div", { class: "field inline" }, element("label", { for: "what-if-feature" }, "The answer along"), this.select),
      this.body,
    );
  }

  // Ask for the rows of the current form, and draw the answers.
  async ask(row, answer) {
    const index = Number(this.select.value);
    const values = this.values(index, row[index]);
    if (values.length < 2) {
      this.body.replaceChildren(element("p", { class: "note" }, "The model does not say which values this feature has."));
      return;
    }
    const rows = values.map((value) => row.with(index, value));
    const output = { classification: PROBABILITIES, regression: "score", anomaly_detection: "score_samples" }[this.model.kind];
    const answers = await predictRows(this.model, rows, [output]);
    const position = this.model.kind === "classification" ? this.model.classes.indexOf(answer[LABEL]) : 0;
    const heights = answers.map((found) => [found[output]].flat()[position]);
    this.draw(this.fields.all[index], values, heights, row[index], answer);
  }

  values(index, current) {
    const { feature, scale } = this.fields.all[index];
    if (!scale.isNumber) {
      const { categories } = feature;
      if (!categories) return [];
      const kept = categories.slice(0, MOST_BARS);
      if (!("n_categories" in feature)) return [false, true];
      return current === null || kept.includes(current) ? kept : [current, ...kept];
    }
    if (!feature.range || !(feature.range[0] < feature.range[1])) return [];
    const [low, high] = feature.range;
    if (scale.isWhole && (high - low) / scale.step < N_STEPS) {
      return Array.from({ length: Math.round((high - low) / scale.step) + 1 }, (_, i) => scale.toValue(low + i * scale.step));
    }
    return Array.from({ length: N_STEPS }, (_, i) => scale.toValue(tidy(low + ((high - low) * i) / (N_STEPS - 1))));
  }

  draw(field, values, heights, current, answer) {
    const { model } = this;
    const isClass = model.kind === "classification";
    const what = isClass ? ["Probability of ", outside(answer[LABEL])] : model.kind === "regression" ? [outside(model.target || "The prediction")] : ["Score of the row"];
    const note = element("p", { class: "note" }, ...what, " for each value of ", outside(field.feature.name), ", the other values as above.");
    const shown = isClass ? percent : number;
    if (!field.scale.isNumber) {
      const most = Math.max(...heights.map(Math.abs)) || 1;
      const rows = values.map((value, i) => [
        outside(String(value), 40),
        measured(Math.abs(heights[i]) / most, shown(heights[i]), value === current ? "bar" : "bar second"),
      ]);
      this.body.replaceChildren(note, table("", [{ head: field.feature.name.slice(0, 40) }, { head: isClass ? "Probability" : "Answer", number: true }], rows, { class: "fill contributions" }));
      return;
    }
    const numbers = values.map((value) => (field.scale.isDate ? secondsOf(value) : value));
    const here = current === null ? null : field.scale.isDate ? secondsOf(current) : current;
    this.body.replaceChildren(note, curve(numbers, heights, here, field.scale, shown, isClass ? [0, 1] : null));
  }
}

// A line with the numbers of the vertical axis above their rules, and a mark at the current value.
function curve(xs, ys, here, scale, shown, ends) {
  const low = ends?.[0] ?? Math.min(...ys);
  const high = ends?.[1] ?? Math.max(...ys);
  const span = high - low || Math.abs(high) || 1;
  const at = (y) => HEIGHT - 26 - ((y - (high > low ? low : low - span / 2)) / span) * (HEIGHT - 48);
  const across = (x) => ((x - xs[0]) / (xs.at(-1) - xs[0])) * WIDTH;
  const ticks = high > low ? [low, (low + high) / 2, high] : [low];
  const rules = ticks.flatMap((tick) => [
    svg("path", { class: "rule", d: `M0 ${at(tick)}H${WIDTH}` }),
    svg("text", { x: 0, y: at(tick) - 4 }, shown(tidy(tick))),
  ]);
  const path = xs.map((x, i) => `${i ? "L" : "M"}${across(x).toFixed(1)} ${at(ys[i]).toFixed(1)}`).join("");
  const isInside = here !== null && here >= xs[0] && here <= xs.at(-1);
  const mark = isInside
    ? svg("path", { class: "here", d: `M${across(here).toFixed(1)} 8V${HEIGHT - 22}` })
    : null;
  const labels = [
    [0, "start", xs[0]],
    [WIDTH, "end", xs.at(-1)],
  ].map(([x, anchor, value]) => svg("text", { x, y: HEIGHT - 6, "text-anchor": anchor }, scale.shown(tidy(value))));
  const description = `From ${shown(ys[0])} at ${scale.shown(xs[0])} to ${shown(ys.at(-1))} at ${scale.shown(xs.at(-1))}; least ${shown(Math.min(...ys))}, greatest ${shown(Math.max(...ys))}`;
  return svg("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": description }, ...rules, mark, svg("path", { class: "line", d: path }), ...labels);
}
