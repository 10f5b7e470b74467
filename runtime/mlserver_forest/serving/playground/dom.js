// Elements from values. Text is set as text: no name or category is ever parsed as HTML.

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) made.style.setProperty(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// An element of SVG; colours and lengths that a style sheet cannot know are attributes.
const SVG = ["http:", "//www.w3.org/2000/svg"].join("");
function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

// A name or category from the data, which may be written from right to left; long ones are cut.
function outside(text, longest = 80) {
  const whole = String(text);
  return element("bdi", {}, whole.length > longest ? `${whole.slice(0, longest - 1)}…` : whole);
}

function section(id, title, ...children) {
  const heading = element("h2", { id: `${id}-title` }, title);
  return element("section", { id, "aria-labelledby": `${id}-title` }, heading, ...children);
}

// A table with columns { head, number }; the first cell of a row is its header.
function table(caption, columns, rows, attributes) {
  const side = (i) => (columns[i].number ? "n" : null);
  const cell = (value, i) =>
    i === 0
      ? element("th", { scope: "row", class: side(i) }, value)
      : element("td", { class: side(i) }, value);
  return element(
    "table",
    attributes,
    element("caption", {}, caption),
    element(
      "thead",
      {},
      element("tr", {}, ...columns.map(({ head }, i) => element("th", { scope: "col", class: side(i) }, head))),
    ),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell)))),
  );
}

// Four significant digits with separators; a power of ten only if very large or small.
function number(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size >= 1e9 || size < 1e-4)
      ? value.toExponential(3)
      : Number.isInteger(value)
        ? value.toLocaleString("en")
        : value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? Math.ceil(Math.log10(size)) : 4 });
  return text.replaceAll("-", "−");
}

// The value of a feature. Whole numbers may be years, so they have no separators.
const plain = (value) => (Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value).replace("-", "−") : number(value));

// A signed number with as many decimals as the largest one needs for four digits.
function signed(value, greatest = Math.abs(value)) {
  const size = greatest > 0 ? Math.floor(Math.log10(greatest)) : 0;
  if (size >= 9 || size < -4) return value > 0 ? `+${number(value)}` : number(value);
  const digits = Math.max(0, 3 - size);
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "exceptZero" });
  return text.replaceAll("-", "−");
}

// A share with one decimal; never 0 for a share above 0, nor 100 for one below 1.
function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

// A date as the model writes it, without a time at midnight.
function dateText(seconds) {
  const when = new Date(1000 * seconds);
  if (Number.isNaN(when.getTime())) return number(seconds);
  const text = when.toISOString().slice(0, 19).replace("T", " ");
  return text.replace(" 00:00:00", "");
}

// The seconds of a date, a time without a zone being UTC; NaN for other text.
const secondsOf = (text) => Date.parse(`${text.trim().replace(" ", "T")}${text.trim().length > 10 ? "Z" : ""}`) / 1000;

// A number without the digits that binary fractions add, such as 0.3 for 0.1 + 0.2.
const tidy = (value) => Number(value.toPrecision(12));
