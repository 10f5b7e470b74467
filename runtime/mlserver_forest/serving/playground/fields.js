// The form: a field for each feature, in order.

const FEW_FIELDS = 24;
const MISSING = "(missing)";

class Fields {
  constructor(model) {
    this.model = model;
    this.visibleCount = FEW_FIELDS;
    this.all = model.features.map((feature, i) => new Field(feature, i, model));
    this.sampleIndex = 0;
  }

  // The values as a row: numbers, categories, booleans, and null for a missing value.
  row() {
    return this.all.map((field) => field.value());
  }

  fill(row) {
    this.all.forEach((field, i) => field.set(row[i]));
  }

  nextSample() {
    const { samples } = this.model;
    if (samples.length) this.fill(samples[this.sampleIndex++ % samples.length]);
  }

  markOutOfRange(names) {
    const outside = new Set(names);
    for (const field of this.all) field.markOutOfRange(outside.has(field.feature.name));
  }

  elements() {
    const grid = element("div", { class: "fields" }, ...this.all.map((field) => field.box));
    if (this.all.length <= FEW_FIELDS) return [grid];
    const filter = element("input", { type: "search", id: "filter", autocomplete: "off", oninput: () => update() });
    const more = element("button", { type: "button", class: "plain", onclick: () => { this.visibleCount = this.all.length; update(); } });
    const update = () => {
      const query = filter.value.trim().toLowerCase();
      const fitting = this.all.filter(({ feature }) => feature.name.toLowerCase().includes(query));
      const visible = new Set(query ? fitting : this.all.slice(0, this.visibleCount));
      for (const field of this.all) field.box.hidden = !visible.has(field);
      more.textContent = `Show all ${plural(this.all.length, "field")}`;
      more.hidden = Boolean(query) || this.visibleCount >= this.all.length;
    };
    update();
    const label = element("label", { for: "filter" }, `Find a feature among ${this.all.length.toLocaleString("en")}`);
    return [element("div", { class: "field filter" }, label, filter), grid, more];
  }
}

class Field {
  constructor(feature, index, model) {
    this.feature = feature;
    this.takesMissing = model.takes_missing;
    this.isNumber = !("categories" in feature);
    this.rangesAreWhole = model.ranges === "training";
    const id = `field-${index}`;
    this.hint = element("p", { class: "hint", id: `${id}-hint` }, this.hintText());
    this.control = this.makeControl({ id, "aria-describedby": `${id}-hint`, autocomplete: "off" });
    this.box = element("div", { class: "field" }, element("label", { for: id }, outside(feature.name)), this.control, this.hint);
  }

  makeControl(attributes) {
    const required = !this.takesMissing;
    if (this.isNumber) return element("input", { ...attributes, type: "number", step: "any", required });
    if (!this.feature.categories) return element("input", { ...attributes, type: "text", required });
    const options = this.feature.categories.map((name) => element("option", { value: name }, name));
    if (this.takesMissing) options.unshift(element("option", { value: "" }, MISSING));
    return element("select", attributes, ...options);
  }

  hintText() {
    const { range, categories, n_categories: count } = this.feature;
    if (this.isNumber && range) {
      const span = range[0] === range[1] ? plain(range[0]) : `${plain(range[0])} to ${plain(range[1])}`;
      return this.rangesAreWhole ? `${span} in training` : `such as ${span}`;
    }
    if (this.isNumber) return "a number";
    if (!categories) return count ? `one of ${count.toLocaleString("en")} categories` : "a category";
    return count === undefined ? "true or false" : count === 1 ? "1 category" : `${count.toLocaleString("en")} categories`;
  }

  value() {
    const text = this.control.value.trim();
    if (text === "") return null;
    if (this.isNumber) return Number(text);
    return "n_categories" in this.feature ? text : text === "true";
  }

  set(value) {
    this.control.value = value === null ? "" : String(value);
  }

  markOutOfRange(isOutside) {
    this.box.classList.toggle("strange", isOutside);
    this.hint.textContent = isOutside ? `outside the training range: ${this.hintText()}` : this.hintText();
  }
}
