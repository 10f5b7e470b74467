// A row in the fragment of the page's address, which browsers never send: it can be shared, and is logged nowhere.

const MARK = "#row?";
const MOST_LINKED = 100;

const isLinkable = (model) => Boolean(model.features) && model.features.length <= MOST_LINKED;

// The fragment of a row: names and values as in the query of a form, and nothing after the name of a missing value.
function fragmentOf(model, row) {
  const pairs = new URLSearchParams();
  model.features.forEach(({ name }, i) => pairs.append(name, row[i] === null ? "" : String(row[i])));
  return MARK + pairs.toString();
}

// The values in a fragment by name, or null if it has none.
function linkedValues(fragment) {
  return fragment.startsWith(MARK) ? new Map(new URLSearchParams(fragment.slice(MARK.length))) : null;
}

class RowLink {
  constructor(model, fields) {
    Object.assign(this, { model, fields });
    this.button = element("button", { type: "button", class: "plain", onclick: () => this.copy() }, "Copy link to this row");
  }

  // Fill the form from the address; false if it does not have a row.
  read() {
    const values = linkedValues(location.hash);
    if (!values) return false;
    for (const field of this.fields.all) {
      if (values.has(field.feature.name)) field.set(values.get(field.feature.name) || null);
    }
    return true;
  }

  write(row) {
    history.replaceState(null, "", fragmentOf(this.model, row));
    this.button.textContent = "Copy link to this row";
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.button.textContent = "Copied";
    } catch {
      // Only pages from localhost or over HTTPS may write to the clipboard.
      this.button.textContent = "Copy it from the address bar";
    }
  }
}
