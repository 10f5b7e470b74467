// The form: a field for each feature, in order.

const FEW_FIELDS = 24;
const FEW_CATEGORIES = 12;
const MISSING = "(missing)";
const N_CELLS = 32;
const MOST_WHOLE = 40;
const DAY = 86400;

class Fields {
  constructor(model) {
    this.model = model;
    this.visibleCount = FEW_FIELDS;
    this.all = model.features.map((feature, i) => new Field(feature, i, model));
    this.sampleIndex = 0;
  }

  // The values as a row: numbers, dates and categories as text, booleans, and null for a missing value.
  row() {
    return this.all.map((field) => field.value());
  }

  fill(row) {
    this.all.forEach((field, i) => field.set(row[i]));
  }

  nextSample() {
    const { samples } = this.model;
    this.fill(samples.length ? samples[this.sampleIndex++ % samples.length] : this.all.map((field) => field.middle()));
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

// How the values of a feature are read and written.
class FeatureScale {
  constructor(feature) {
    this.feature = feature;
    this.isNumber = !("categories" in feature);
    this.isDate = Boolean(feature.is_date);
    const { range, edges = [] } = feature;
    this.isWhole = Boolean(range) && [...range, ...edges].every(Number.isInteger);
    this.hasTimes = this.isDate && Boolean(range) && [...range, ...edges].some((seconds) => seconds % DAY);
    this.step = this.stepOf(range);
  }

  // A round number, about a hundredth of the range.
  stepOf(range) {
    if (!range) return 1;
    if (this.isDate) return this.hasTimes ? 60 : DAY;
    const least = (range[1] - range[0]) / 100;
    if (this.isWhole && least <= 1) return 1;
    if (!(least > 0) || !Number.isFinite(least)) return Math.abs(range[0]) / 100 || 1;
    const size = 10 ** Math.floor(Math.log10(least));
    return tidy(size * [1, 2, 5, 10].find((factor) => size * factor >= least));
  }

  shown(value) {
    return this.isDate ? dateText(value) : plain(value);
  }

  // A number as the text of its field.
  toText(value) {
    if (Number.isNaN(value)) return "";
    if (!this.isDate) return String(value);
    const text = new Date(1000 * value).toISOString();
    return this.hasTimes ? text.slice(0, 19) : text.slice(0, 10);
  }

  // The number of a field's text; NaN for none.
  toNumber(text) {
    if (text === "") return NaN;
    return this.isDate ? secondsOf(text) : Number(text);
  }

  // A number as a row has it.
  toValue(number) {
    return this.isDate ? dateText(number) : number;
  }
}

class Field {
  constructor(feature, index, model) {
    this.feature = feature;
    this.scale = new FeatureScale(feature);
    this.takesMissing = model.takes_missing && !feature.is_required;
    this.isNumber = this.scale.isNumber;
    this.isSearchable = (feature.categories?.length ?? 0) > FEW_CATEGORIES;
    this.rangesAreWhole = model.ranges === "training";
    const id = `field-${index}`;
    this.hint = element("p", { class: "hint", id: `${id}-hint` });
    this.control = this.makeControl({ id, "aria-describedby": `${id}-hint`, autocomplete: "off" });
    this.slider = this.isNumber && feature.range && feature.range[0] < feature.range[1] ? this.makeSlider() : null;
    const label = element("label", { for: id }, outside(feature.name));
    // The keyboard empties a field as well, so that this button is no stop on the way through the form.
    const clear = this.takesMissing && !(this.control instanceof HTMLSelectElement)
      ? element("button", { type: "button", class: "clear", tabindex: "-1", "aria-label": `Set ${feature.name} to missing`, onclick: () => { this.set(null); this.changed(); } }, "missing")
      : null;
    this.box = element(
      "div",
      { class: "field" },
      label,
      this.control,
      this.isSearchable ? this.options : null,
      this.slider ? element("div", { class: "slide" }, histogram(feature, this.scale.isWhole && !this.scale.isDate), this.slider) : null,
      element("div", { class: "below" }, this.hint, clear),
    );
    this.update();
  }

  makeControl(attributes) {
    const required = !this.takesMissing;
    const placeholder = required ? null : "missing";
    if (this.scale.isDate) return element("input", { ...attributes, type: this.scale.hasTimes ? "datetime-local" : "date", step: this.scale.hasTimes ? "1" : null, required, oninput: () => this.update() });
    if (this.isNumber) {
      return element("input", { ...attributes, type: "number", step: "any", inputmode: "decimal", placeholder, required, oninput: () => this.update(), onkeydown: (event) => this.stepByKey(event) });
    }
    const { categories } = this.feature;
    const oninput = () => this.update();
    if (!categories) return element("input", { ...attributes, type: "text", placeholder, required, oninput });
    const options = categories.map((name) => element("option", { value: name }, name));
    if (this.isSearchable) {
      this.options = element("datalist", { id: `${attributes.id}-options` }, ...options);
      return element("input", { ...attributes, type: "text", list: this.options.id, placeholder: required ? "type to search" : "missing; type to search", required, oninput, onfocus: () => this.control.select() });
    }
    if (this.takesMissing) options.unshift(element("option", { value: "" }, MISSING));
    return element("select", { ...attributes, oninput }, ...options);
  }

  // It moves within the training range, and is for the pointer: keys change the number itself.
  makeSlider() {
    const [low, high] = this.feature.range;
    return element("input", { type: "range", min: low, max: high, step: "any", tabindex: "-1", "aria-hidden": "true", oninput: () => this.slide() });
  }

  slide() {
    const { step } = this.scale;
    const [low, high] = this.feature.range;
    const at = Number(this.slider.value);
    const rounded = tidy(Math.round(at / step) * step);
    this.control.value = this.scale.toText(Math.min(Math.max(rounded, low), high));
    this.update();
  }

  // Arrows move a number by a step of its range; the browser's own steps would be 1.
  stepByKey(event) {
    const sign = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!sign) return;
    event.preventDefault();
    const value = this.scale.toNumber(this.control.value);
    this.control.value = this.scale.toText(tidy((Number.isFinite(value) ? value : this.feature.range?.[0] ?? 0) + sign * this.scale.step));
    this.update();
    this.changed();
  }

  // As if it had been typed.
  changed() {
    this.control.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // The slider and the hint of the current value.
  update() {
    if (this.slider) {
      const value = this.scale.toNumber(this.control.value);
      this.box.classList.toggle("absent", Number.isNaN(value));
      if (!Number.isNaN(value)) this.slider.value = value;
    }
    this.hint.textContent = this.isOutside ? `outside the training range: ${this.hintText()}` : this.hintText();
  }

  hintText() {
    const { range, categories, shares, n_categories: count } = this.feature;
    if (this.isNumber && range) {
      const shown = range.map((end) => this.scale.shown(end));
      const span = range[0] === range[1] ? shown[0] : `${shown[0]} to ${shown[1]}`;
      return this.rangesAreWhole ? `${span} in training` : `such as ${span}`;
    }
    if (this.isNumber) return this.scale.isDate ? "a date" : "a number";
    const index = categories?.indexOf(this.control?.value.trim()) ?? -1;
    if (shares && index >= 0) return `${percent(shares[index])} of the training rows`;
    if (!categories) return count ? `one of ${count.toLocaleString("en")} categories` : "a category";
    return count === undefined ? "true or false" : count === 1 ? "1 category" : `${count.toLocaleString("en")} categories`;
  }

  value() {
    const text = this.control.value.trim();
    if (text === "") return null;
    if (this.scale.isDate) return text.replace("T", " ");
    if (this.isNumber) return Number(text);
    return "n_categories" in this.feature ? text : text === "true";
  }

  set(value) {
    if (value === null || value === undefined) this.control.value = "";
    else if (this.scale.isDate) this.control.value = this.scale.toText(typeof value === "number" ? value : secondsOf(value));
    else this.control.value = String(value);
    this.update();
  }

  // A value to begin with, if the model has no sample rows.
  middle() {
    const { range, categories } = this.feature;
    if (this.isNumber) return range ? tidy((range[0] + range[1]) / 2) : this.takesMissing ? null : 0;
    return categories?.[0] ?? null;
  }

  markOutOfRange(isOutside) {
    this.isOutside = isOutside;
    this.box.classList.toggle("strange", isOutside);
    this.update();
  }
}

// How the training rows are distributed over the range: areas are shares of rows. Whole numbers that
// are few have a cell each.
function histogram({ range, shares, edges }, isWhole) {
  if (!shares || !edges) return element("span", {});
  const [low, high] = range;
  const ends = [...edges, high];
  const isCounted = isWhole && high - low < MOST_WHOLE;
  const count = isCounted ? high - low + 1 : N_CELLS;
  const cell = isCounted ? (value) => value - low + 1 : (value) => ((value - low) / (high - low)) * count;
  const heights = new Array(count).fill(0);
  shares.forEach((share, i) => {
    const from = Math.min(Math.max(i ? cell(ends[i - 1]) : 0, 0), count);
    const to = Math.min(Math.max(cell(ends[i]), from), count);
    const first = Math.min(Math.floor(from), count - 1);
    if (to - from < 1e-9) {
      heights[first] += share;
      return;
    }
    for (let k = first; k < Math.min(Math.ceil(to), count); k++) {
      heights[k] += (share * (Math.min(k + 1, to) - Math.max(k, from))) / (to - from);
    }
  });
  const most = Math.max(...heights) || 1;
  const path = heights.map((height, i) => (height ? `M${i} 20v${(-20 * height) / most}h0.9V20z` : "")).join("");
  return svg("svg", { class: "histogram", viewBox: `0 0 ${count} 20`, preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { d: path }));
}
