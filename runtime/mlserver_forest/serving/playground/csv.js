// CSV in pieces: records of fields, each with its text and its line in the file.

class Records {
  constructor() {
    this.text = "";
    this.line = 1;
    this.isFirst = true;
  }

  // The records that are complete so far, and with `isLast` the remaining one.
  *take(text, isLast = false) {
    this.text += text;
    if (this.isFirst && this.text) {
      this.text = this.text.replace(/^\uFEFF/, "");
      this.isFirst = false;
    }
    let start = 0;
    let isQuoted = false;
    let lines = 0;
    for (let i = 0; i < this.text.length; i++) {
      const code = this.text.charCodeAt(i);
      if (code === 34) isQuoted = !isQuoted;
      else if (code === 10) {
        lines++;
        if (isQuoted) continue;
        yield* this.record(this.text.slice(start, i), lines);
        start = i + 1;
        lines = 0;
      }
    }
    this.text = this.text.slice(start);
    if (isLast && this.text) yield* this.record(this.text, 1);
  }

  *record(raw, lines) {
    const text = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    const { line } = this;
    this.line += lines;
    if (text.trim()) yield { text, line, fields: fieldsOf(text) };
  }
}

function fieldsOf(text) {
  if (!text.includes('"')) return text.split(",");
  const fields = [];
  let field = "";
  let isQuoted = false;
  for (const char of text) {
    if (char === '"') {
      isQuoted = !isQuoted;
      field += char;
    } else if (char === "," && !isQuoted) {
      fields.push(field);
      field = "";
    } else field += char;
  }
  fields.push(field);
  return fields.map((text) => {
    const whole = text.trim();
    return whole.startsWith('"') && whole.endsWith('"') && whole.length > 1 ? whole.slice(1, -1).replaceAll('""', '"') : text;
  });
}
